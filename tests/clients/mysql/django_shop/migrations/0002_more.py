from django.db import migrations, models
from django.db.models import Q


def fill(apps, schema_editor):
    apps.get_model("django_shop", "Shop").objects.update(motto="none")


class Migration(migrations.Migration):
    dependencies = [("django_shop", "0001_initial")]
    operations = [
        migrations.AddField("Shop", "motto", models.CharField(max_length=200, default="")),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField("Shop", "name", models.CharField(max_length=120, unique=True)),
        migrations.RenameField("Item", "sold", "sales"),
        migrations.AddIndex("Item", models.Index(fields=["-price", "sales"], name="by_price")),
        migrations.AddConstraint(
            "Item", models.CheckConstraint(condition=Q(price__gte=0), name="not_negative")
        ),
        migrations.AlterUniqueTogether("Shop", {("slug", "owner")}),
        migrations.RemoveField("Shop", "opened"),
        migrations.CreateModel("Later", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AlterModelTable("Later", "much_later"),
    ]
