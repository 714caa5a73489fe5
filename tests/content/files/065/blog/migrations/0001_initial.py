from django.db import migrations, models
from django.db.models import CASCADE


def pk():
    return (
        "id",
        models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Author", [pk(), ("name", models.CharField(max_length=80))]),
        migrations.CreateModel(
            "Post",
            [
                pk(),
                ("author", models.ForeignKey("blog.author", CASCADE)),
                ("title", models.CharField(max_length=200)),
                ("published_at", models.DateTimeField()),
                ("comment_count", models.PositiveIntegerField(default=0, db_default=0)),
            ],
        ),
        migrations.CreateModel(
            "Comment",
            [
                pk(),
                ("post", models.ForeignKey("blog.post", CASCADE, related_name="comments")),
                ("author", models.ForeignKey("blog.author", CASCADE)),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
