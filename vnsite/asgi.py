"""The site as one ASGI application: the stream of events by Channels, all else by Django."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vnsite.settings")
django_application = get_asgi_application()

# Models need the apps to be loaded.
from downloads.stream.consumer import EventStream  # noqa: E402
from vnsite import modes  # noqa: E402
from vnsite.proxies import behind_proxies  # noqa: E402

# A server other than `manage.py serve` may have imported this.
modes.report(modes.apply(settings.VNSITE))

# No "websocket" here, on purpose: there is none.
application = ProtocolTypeRouter(
    {
        "http": behind_proxies(
            URLRouter(
                [
                    path("events/", SessionMiddlewareStack(EventStream.as_asgi())),
                    re_path("", django_application),  # type: ignore[arg-type]
                ]
            )
        )
    }
)
