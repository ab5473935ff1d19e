"""The page of what is in the library's folder and no download knows: adopt it, or remove it. Wiring
only; for staff, because it is nobody's."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.library import removal
from downloads.library import unknown as files
from downloads.models import user_actor
from downloads.rules.words import say, say_number
from downloads.web.format import size
from downloads.web.requests import SignedInRequest

if TYPE_CHECKING:
    from downloads.library.importing import Imported


@require_safe
@never_cache
@login_required
def unknown(request: SignedInRequest) -> HttpResponse:
    _require_staff(request)
    try:
        found = files.unknown()
    except OSError as error:
        messages.error(request, _unreadable(error))
        found = []
    rows = [{"path": each.path, "size": size(each.size_bytes)} for each in found]
    context = {"rows": rows, "most": files.MOST if len(rows) == files.MOST else 0}
    return render(request, "downloads/library_unknown.html", context)


@require_POST
@login_required
def adopt(request: SignedInRequest) -> HttpResponse:
    _require_staff(request)
    path = request.POST.get("path", "")
    try:
        done = files.adopt(path, owner=request.user, actor=user_actor(request.user))
    except files.NotUnknown:
        messages.warning(request, _gone(path))
    except OSError as error:
        messages.error(request, _unreadable(error))
    else:
        _tell(request, done)
    return redirect("library_unknown")


@require_POST
@login_required
def remove(request: SignedInRequest) -> HttpResponse:
    _require_staff(request)
    path = request.POST.get("path", "")
    try:
        found = files.require(path)
        actor = user_actor(request.user)
        removal.remove_unknown(path, size_bytes=found.size_bytes, actor=actor)
    except (files.NotUnknown, removal.NameTaken):
        messages.warning(request, _gone(path))
    except OSError:
        messages.error(request, say("“{path}” stays: it cannot be moved.", path=path))
    else:
        sentence = say(
            "“{path}” ({size}) is removed from the library, and kept for a day.",
            path=path,
            size=size(found.size_bytes),
        )
        messages.success(request, sentence)
    return redirect("library_unknown")


def _tell(request: SignedInRequest, done: "Imported") -> None:
    if number := len(done.entries):
        words = say_number(
            "{number:,} video is in the library now.",
            "{number:,} videos are in the library now.",
            number=number,
        )
        messages.success(request, words)
    if number := sum(map(len, done.left_out.values())):
        words = say_number(
            "{number:,} video was left out: manage.py import_library --dry-run -v 2 says why.",
            "{number:,} videos were left out: manage.py import_library --dry-run -v 2 says why.",
            number=number,
        )
        messages.warning(request, words)
    elif not done.entries:
        messages.warning(request, gettext("There is no video in it."))


def _gone(path: str) -> str:
    return say("“{path}” is not there any more, or a download knows it by now.", path=path)


def _unreadable(error: OSError) -> str:
    return say("The library cannot be read: {error}.", error=error.strerror or type(error).__name__)


def _require_staff(request: SignedInRequest) -> None:
    if not request.user.is_staff:
        raise PermissionDenied
