from django.db import migrations


def create(apps, schema_editor):
    apps.get_model("auth", "Group").objects.create(name="staff")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
