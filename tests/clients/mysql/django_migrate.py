"""Django's own migrations and those of an application, up to a stage: 1 or 2."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import django  # noqa: E402
from django.conf import settings  # noqa: E402

host, port, user, password, database, ca, stage = sys.argv[1:8]
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.sessions",
        "django.contrib.admin",
        "django.contrib.messages",
        "django_shop",
    ],
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
            "OPTIONS": {"charset": "utf8mb4"} | ({"ssl": {"ca": ca}} if ca else {}),
        }
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402

if stage == "1":
    call_command("migrate", "auth", "0007", verbosity=0)
    call_command("migrate", "django_shop", "0001", verbosity=0)
else:
    call_command("migrate", verbosity=0)
print("ok")
