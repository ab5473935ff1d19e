"""A request of a page: its user, the downloads that they may see, and where to go back to."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from downloads.models import Download, DownloadQuerySet

MAX_AT_ONCE = 500
MAX_NUMBER = 2**63 - 1  # what the database takes


class SignedInRequest(HttpRequest):
    """A request behind `login_required`."""

    user: User


def visible(request: SignedInRequest) -> DownloadQuerySet:
    return Download.objects.visible_to(request.user)


def is_of_script(request: HttpRequest) -> bool:
    """Return whether htmx or one of our scripts wants a fragment or the status alone."""
    headers = request.headers
    return "HX-Request" in headers or headers.get("X-Requested-With") == "fetch"


def numbers_in(request: HttpRequest, name: str) -> list[int]:
    """Return the keys of rows that the fields of a form name; what is no number is left out."""
    found = [word for word in request.POST.getlist(name) if word.isascii() and word.isdigit()]
    return [key for key in map(int, found[:MAX_AT_ONCE]) if key <= MAX_NUMBER]


def next_path(request: HttpRequest, *, default: str) -> str:
    """Return the form's `next` if it is on this site, else `default`."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else default
