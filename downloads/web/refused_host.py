"""A host name that the site does not answer to: named in the answer and in the log."""

import logging
import threading
import time

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)

SETTING = "VNSITE_ALLOWED_HOSTS"
LOGGED_EVERY_SECONDS = 60


def named_by(request: HttpRequest) -> str:
    """Return the name, without its port; "" when it cannot be a host name. Notes it in the log."""
    domain, _port = split_domain_port(request.META.get("HTTP_HOST", ""))
    _notes.note(domain)
    return domain


def sentence(host: str) -> str:
    """Say to programs what the page 400 says to people."""
    if not host:
        return _("The host name of this request is not valid.")
    told = {"host": host, "setting": SETTING}
    return _("vnsite does not answer to %(host)s. %(setting)s has to name it.") % told


def line_for(host: str) -> str:
    """Return the line that allows one more host name, and where it belongs.

    It names all that are allowed now: once it is set, addresses are allowed no more by themselves.
    """
    allowed = ",".join([*settings.ALLOWED_HOSTS, host])
    return f"{SETTING}={allowed} in {settings.VNSITE.data_dir / '.env'}, or in the environment"


class _Notes:
    """Anybody can send any name as often as they like: most of them are not worth a line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at = 0.0  # of the monotonic clock

    def note(self, host: str) -> None:
        with self._lock:
            if time.monotonic() < self._next_at:
                return
            self._next_at = time.monotonic() + LOGGED_EVERY_SECONDS
        if not host:
            return logger.warning("A request with an invalid host name was refused.")
        logger.warning(
            "A request for the host name %s was refused. To allow it: %s", host, line_for(host)
        )


_notes = _Notes()
