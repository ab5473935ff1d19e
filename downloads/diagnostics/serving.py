"""Checks that only the web server can make: its stream, and how a browser reaches it."""

from django.http import HttpRequest
from django.utils import timezone

from downloads.diagnostics.verdict import Check, failure, note, ok, phrase, warning
from downloads.models import Transition
from downloads.rules.words import marked
from downloads.stream.listener import STREAM

LATE_SECONDS = 5.0
# Browsers trust these without https.
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def check_stream() -> Check:
    """Check that this process has read the newest transition for those who listen to it."""
    name, newest = marked("live updates"), STREAM.newest
    if STREAM.is_stale:
        fix = phrase("They go on when the database answers. The log of the web server says more.")
        return failure(name, phrase("They wait for the database."), fix)
    if newest is None:
        return ok(name, phrase("Nobody listens to this process at the moment."))
    unread = Transition.objects.filter(seq__gt=newest).order_by("seq").first()
    late_seconds = (timezone.now() - unread.at).total_seconds() if unread else 0.0
    if late_seconds > LATE_SECONDS:
        sentence = phrase("They are {seconds} s late.", seconds=round(late_seconds))
        return warning(name, sentence, phrase("Start the web server again if it stays so."))
    return ok(name, phrase("The newest event, number {number}, was sent.", number=newest))


def check_https(request: HttpRequest) -> Check:
    """Say what a browser withholds from a page of this address."""
    if request.is_secure():
        return ok("https", phrase("The browser trusts this address."))
    if request.get_host().rpartition(":")[0] in LOCAL_HOSTS or request.get_host() in LOCAL_HOSTS:
        return ok("https", phrase("It is not needed on this machine itself."))
    sentence = phrase(
        "This page came over plain http. The browser then does not copy by a click, shows no"
        " notifications, and cannot install the site or share links to it. All else works."
    )
    fix = phrase("docs/proxies.md has lines for nginx, Caddy and Traefik that bring https.")
    return note("https", sentence, fix)
