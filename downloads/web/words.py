"""The words that the scripts of a page say, by their codes: static/downloads/words.js chooses.

`%(name)s` stays for the script. A sentence with a number `n` is an object by the plural's category.
They are a script of each language, which browsers keep: its address changes with the words.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256

from csp.decorators import csp_exempt
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from downloads.web.format import AGES, COMING, NOW
from downloads.web.row_view import PHASES

Words = Mapping[str, str | Mapping[str, str]]


@require_safe
# The headers that protect pages are longer than the words.
@csp_exempt()  # type: ignore[arg-type]
def script(request: HttpRequest, *, language: str, version: str) -> HttpResponse:
    """Answer the words of a language. A page of another version of vnsite gets those of this one,
    and does not keep them."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    is_current = version == _version_in(language)
    kept = f"max-age={365 * 24 * 3600}, public, immutable" if is_current else "no-store"
    headers = {"Cache-Control": kept}
    return HttpResponse(_script_in(language), content_type="text/javascript", headers=headers)


def script_url() -> str:
    """Return the address of the words in the language that is active."""
    active = translation.get_language() or settings.LANGUAGE_CODE
    language = active if active in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
    return reverse("words", kwargs={"language": language, "version": _version_in(language)})


@cache
def _script_in(language: str) -> bytes:
    with translation.override(language):
        said = json.dumps(words(), ensure_ascii=False, separators=(",", ":"))
    return f"vnsiteWords={said}".encode()


@cache
def _version_in(language: str) -> str:
    return sha256(_script_in(language)).hexdigest()[:12]


def words() -> Words:
    """Return all of them, in the language that is active."""
    phases = {f"phase_{phase}": _(word) for phase, word in PHASES.items()}
    ages = {f"ago_{unit}": str(text) for unit, text in AGES.items()}
    coming = {f"in_{unit}": str(text) for unit, text in COMING.items()}
    return {
        "now": str(NOW),
        **ages,
        **coming,
        **phases,
        **_numbers(),
        **_connection(),
        **_endings(),
        **_ticks(),
    }


def _numbers() -> Words:
    return {
        "of": _("%(bytes)s of %(total)s"),
        "fragment": _("(fragment %(n)s of %(all)s)"),
        "so_far": _("%(n)s so far"),
        "left": _("%(duration)s left"),
        "no_bytes": _("No bytes for %(duration)s"),
        "resumed": _(", resumed at %(n)s %%").replace("%%", "%"),
        "downloads": _("Downloads"),
        "speed_now": _("Average %(average)s, now %(now)s"),
        "stalls": _both(lambda n: ngettext("%(n)s stall", "%(n)s stalls", n)),
        "recorded": _("Recorded %(span)s"),
        "active": _both(lambda n: ngettext("%(n)s active", "%(n)s active", n)),
        "failed_unseen": _both(lambda n: ngettext("%(n)s failed", "%(n)s failed", n)),
    }


def _connection() -> Words:
    return {
        "connecting": _("Connecting"),
        "live": _("Live"),
        "reconnecting": _("Reconnecting"),
        "restarting": _("Server is restarting"),
        "stale": _("Not updating"),
        "signed-out": _("Signed out"),
        "refused": _("Updating every %(n)s s"),
        "held-back": _("Updating every %(n)s s"),
        "paused": _("Paused"),
        "paused_changes": _both(
            lambda n: ngettext("Paused, %(n)s change waiting", "Paused, %(n)s changes waiting", n)
        ),
        "next_try": _("next try in %(n)s s"),
        "signed_out": _("You are signed out. What you see may be old."),
        "stopped": _("Updates stopped at %(time)s. What you see may be old."),
        "unanswered": _("What changed could not be loaded. It is tried again."),
        "off": _("Live updates are off."),
        "held_back": _("A proxy in front of this site holds them back."),
        "polling": _("This page asks every %(n)s seconds."),
        "missed": _both(
            lambda n: ngettext(
                "%(n)s change while you were away", "%(n)s changes while you were away", n
            )
        ),
        "failed_action": _("That did not work (%(status)s). Load the page again."),
        "unreachable": _("The server cannot be reached. Nothing was changed."),
        "copied": _("Copied"),
        "press_copy": _("Press Ctrl+C"),
    }


def _endings() -> Words:
    return {
        "completed": _("Completed: %(title)s"),
        "failed": _("Failed: %(title)s. %(sentence)s"),
        "cancelled": _("Cancelled: %(title)s"),
        "completed_many": _both(
            lambda n: ngettext("%(n)s download completed", "%(n)s downloads completed", n)
        ),
        "failed_many": _both(
            lambda n: ngettext("%(n)s download failed", "%(n)s downloads failed", n)
        ),
        "cancelled_many": _both(
            lambda n: ngettext("%(n)s download cancelled", "%(n)s downloads cancelled", n)
        ),
        "notify_insecure": _(
            "Browsers show notifications only over https, or on the machine itself."
        ),
        "notify_denied": _("This browser does not allow notifications from this site."),
    }


def _ticks() -> Words:
    """Of the entries of a list."""
    return {
        "add": _("Add"),
        "add_n": _("Add %(n)s"),
        "none_ticked": _("Nothing is ticked."),
        "ticked": _both(lambda n: ngettext("%(n)s ticked", "%(n)s ticked", n)),
        "ticked_elsewhere": _both(
            lambda n: ngettext("%(n)s of them not shown", "%(n)s of them not shown", n)
        ),
        "ticked_length": _("together %(duration)s"),
    }


def _both(of: Callable[[int], str]) -> dict[str, str]:
    return {"one": of(1), "other": of(2)}
