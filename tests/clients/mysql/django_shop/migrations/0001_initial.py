import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0001_initial")]
    operations = [
        migrations.CreateModel(
            "Shop",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=80, unique=True)),
                ("slug", models.SlugField()),
                ("opened", models.DateField(null=True)),
                ("settings", models.JSONField(default=dict)),
                ("owner", models.ForeignKey("auth.User", django.db.models.deletion.CASCADE)),
            ],
        ),
        migrations.CreateModel(
            "Item",
            [
                ("id", models.UUIDField(primary_key=True)),
                ("shops", models.ManyToManyField("django_shop.Shop")),
                ("price", models.DecimalField(max_digits=10, decimal_places=2)),
                ("sold", models.PositiveIntegerField(default=0)),
            ],
        ),
    ]
