"""What the pages ask of a request: who it is, what they may see, whether a script sent it."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from downloads.models import (
    Download,
    DownloadQuerySet,
)


class SignedInRequest(HttpRequest):
    """What a view behind `login_required` gets."""

    user: User


def visible(request: SignedInRequest) -> DownloadQuerySet:
    """Return the downloads that the signed-in user may see."""
    return Download.objects.visible_to(request.user)


def is_of_script(request: HttpRequest) -> bool:
    """Whether one of our scripts sent the request and wants a fragment or the status alone."""
    return request.headers.get("X-Requested-With") == "fetch"


def next_path(request: HttpRequest, *, default: str) -> str:
    """Return the path that the form wants to go back to, if it is on this site, else `default`."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else default
