"""The site as one ASGI application: Channels answers /events/, Django everything else."""

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.urls import path, re_path

from vnsite import modes, static_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vnsite.settings")
django.setup(set_prefix=False)
# Another server than `manage.py serve` may import this.
modes.report(modes.apply(settings.VNSITE))
static_files.make_ready()  # before the application looks which there are

# Models need the apps to be loaded.
from downloads.stream.consumer import EventStream  # noqa: E402
from vnsite.handler import Handler  # noqa: E402
from vnsite.proxies import BehindProxies, BelowPrefix  # noqa: E402

# Without "websocket": the site has none.
application = ProtocolTypeRouter(
    {
        "http": BehindProxies(
            BelowPrefix(
                URLRouter(
                    [
                        path("events/", SessionMiddlewareStack(EventStream.as_asgi())),
                        re_path("", Handler()),  # type: ignore[arg-type]
                    ]
                ),
                settings.VNSITE.prefix,
            ),
            settings.VNSITE.trusted_proxies,
            user_header=settings.VNSITE.auth_header,
        )
    }
)
