"""The help page: what the states mean, the shortcuts, and what to do when nobody gets in."""

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from downloads.rules.states import State


class Shortcut(NamedTuple):
    """static/downloads/keys.js does what `does` says."""

    keys: tuple[str, ...]  # pressed one after the other
    does: str | Promise


SHORTCUTS = (
    Shortcut(("/",), _("Search")),
    Shortcut(("n",), _("Add links")),
    Shortcut(("j",), _("Next download")),
    Shortcut(("k",), _("Previous download")),
    Shortcut(("Enter",), _("Open it")),
    Shortcut(("x",), _("Select it")),
    Shortcut(("c",), _("Cancel it")),
    Shortcut(("r",), _("Retry it")),
    Shortcut(("e",), _("Show its error")),
    Shortcut(("p",), _("Pause or resume live updates")),
    Shortcut(("t",), _("Next theme")),
    Shortcut(("g", "d"), _("Go to the downloads")),
    Shortcut(("g", "l"), _("Go to the library")),
    Shortcut(("g", "w"), _("Go to the workers")),
    Shortcut(("g", "s"), _("Go to your account")),
    Shortcut(("?",), _("List these shortcuts")),
    Shortcut(("Esc",), _("Close what is open")),
)
# static/downloads/player.js does these, while a film has the focus.
OF_PLAYER = (
    Shortcut(("k",), _("Play or pause")),
    Shortcut(("j",), _("10 seconds back")),
    Shortcut(("l",), _("10 seconds on")),
    Shortcut(("m",), _("Sound off or on")),
    Shortcut(("f",), _("Full screen")),
    Shortcut(("c",), _("Subtitles")),
    Shortcut(("i",), _("Picture in picture")),
    Shortcut(("<",), _("Slower")),
    Shortcut((">",), _("Faster")),
    Shortcut(("n",), _("Next of its list")),
    Shortcut(("p",), _("Previous of its list")),
)
LISTED = {"shortcuts": SHORTCUTS, "of_player": OF_PLAYER}
MEANINGS = (
    (State.CREATED, _("It waits for a worker, for its turn or for its time. The row says which.")),
    (State.INITIALIZING, _("A worker has picked it up and prepares a folder of its own.")),
    (State.READY, _("The folder is there, and the download is about to begin.")),
    (State.DOWNLOADING, _("yt-dlp looks the video up, fetches it and joins picture and sound.")),
    (State.COMPLETED, _("Its files are in the library, checked.")),
    (State.FAILED, _("It ended with an error. Its page says what happened and what to do next.")),
    (State.CANCELLED, _("Somebody stopped it. A retry begins again.")),
    (State.CLEANED, _("It has ended and none of its temporary files is left.")),
)

SEARCH = (
    ("host:example.org", _("Downloads of this site and of what is below it.")),
    ("state:failed", _("completed, failed, cancelled, waiting, running, kept, or a state.")),
    ("error:network", _("What failed with this error.")),
    ("id:0a1b", _("Correlation ids that begin so.")),
    ("after:2026-11-03", _("Added from this day on. Also an age: after:7d, after:12h.")),
    ("before:2w", _("Added more than two weeks ago. Also a day.")),
    ("owner:anna", _("Added by this user; for staff.")),
    ("batch:0a1b2c3d4e5f", _("Added together, in one step.")),
    (
        "is:paused",
        _(
            "What somebody paused. Also is:list: links that stand for many videos, and is:checked:"
            " what was only looked up."
        ),
    ),
)


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """Answer the list of the shortcuts, for the dialog of all pages."""
    return render(request, "downloads/partials/keys.html", LISTED)


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """Show the page to everybody: who cannot sign in needs help as well."""
    return render(
        request,
        "downloads/help.html",
        {"meanings": MEANINGS, "search": SEARCH, **LISTED},
    )
