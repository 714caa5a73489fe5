# What makemigrations writes for the model's indexes, with AddIndexConcurrently in place of AddIndex.
import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0002_trigram")]
    operations = [
        AddIndexConcurrently(
            "job",
            models.Index(
                fields=["city", "level", "-published_at", "-id"],
                condition=models.Q(published=True),
                name="job_city_level",
            ),
        ),
        AddIndexConcurrently(
            "job",
            models.Index(
                fields=["-published_at", "-id"], condition=models.Q(published=True), name="job_newest"
            ),
        ),
        AddIndexConcurrently(
            "job", django.contrib.postgres.indexes.GinIndex(fields=["skills"], name="job_skills")
        ),
        AddIndexConcurrently(
            "job",
            django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("title", "description", config="english"),
                name="job_text",
            ),
        ),
        AddIndexConcurrently(
            "job",
            django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("title"), name="gin_trgm_ops"
                ),
                name="job_title_part",
            ),
        ),
    ]
