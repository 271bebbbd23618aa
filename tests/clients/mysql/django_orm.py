"""Django's ORM on tables that exist already, and its look at the schema."""

import sys

import django
from django.conf import settings

host, port, user, password, database, ca = sys.argv[1:7]
settings.configure(
    INSTALLED_APPS=[],
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "HOST": host,
            "PORT": port,
            "USER": user,
            "PASSWORD": password,
            "NAME": database,
            "CONN_MAX_AGE": 60,
            "OPTIONS": {"charset": "utf8mb4"} | ({"ssl": {"ca": ca}} if ca else {}),
        }
    },
)
django.setup()

from django.db import IntegrityError, connection, models, transaction  # noqa: E402


class Item(models.Model):
    body = models.TextField()
    raw = models.BinaryField(null=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    made = models.DateTimeField(null=True)

    class Meta:
        app_label = "shop"
        db_table = "items"
        managed = False


Item.objects.all().delete()
Item.objects.bulk_create([Item(id=n, body=f"row {n} 🦀", raw=b"\0\xff") for n in range(1, 300)])
assert Item.objects.filter(body__contains="🦀").count() == 299
try:
    with transaction.atomic():
        Item.objects.filter(id__lt=100).delete()
        Item.objects.create(id=200, body="twice")
    raise SystemExit("the error is missing")
except IntegrityError:
    pass
assert Item.objects.count() == 299
with transaction.atomic():
    item = Item.objects.select_for_update().get(id=7)
    item.price = "12.50"
    item.save()
assert str(Item.objects.get(id=7).price) == "12.50"
assert sum(1 for _ in Item.objects.iterator(chunk_size=50)) == 299
with connection.cursor() as cursor:
    tables = connection.introspection.table_names(cursor)
    assert {"items", "numbers"} <= set(tables), tables
    described = connection.introspection.get_table_description(cursor, "items")
    assert [column.name for column in described] == ["id", "body", "raw", "price", "made"]
connection.close()
print("ok")
