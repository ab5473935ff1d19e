"""What stands in place of an empty list, until a first download is complete: how to get there."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from downloads.diagnostics import checks, stats
from downloads.diagnostics.verdict import Check, Level
from downloads.models import ArchivedMedia, Preferences
from downloads.web import demo
from downloads.web.format import size
from downloads.web.requests import SignedInRequest

COMMAND = ".venv/bin/python manage.py run_downloads"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One of the things to see to; `is_done` None: it is for the reader to do."""

    name: str
    sentence: str
    is_done: bool | None = None
    fix: str = ""
    command: str = ""

    @property
    def icon(self) -> str:
        return {True: "circle-check", False: "circle-x", None: "circle-dashed"}[self.is_done]

    @property
    def tone(self) -> str:
        return {True: "is-success", False: "is-warning", None: ""}[self.is_done]

    @property
    def word(self) -> str:
        """The meaning of the icon, for who does not see it."""
        return {True: _("Done"), False: _("Not yet"), None: _("Next")}[self.is_done]


def first_steps(user: User, *, count: int, has_worker: bool) -> list[Step]:
    """Return the steps; none for a user who has downloads (`count`), had one, or hid them."""
    if count or Preferences.objects.filter(user=user, has_first_steps=False).exists():
        return []
    if ArchivedMedia.objects.filter(owner=user).exists():
        return []
    return list(_steps(has_worker=has_worker))


def _steps(*, has_worker: bool) -> Iterator[Step]:
    if has_worker:
        yield Step(name="worker", sentence=_("A worker is running."), is_done=True)
    else:
        sentence = _("No worker is running. Start one in vnsite's folder:")
        yield Step(name="worker", sentence=sentence, is_done=False, command=COMMAND)
    yield folder_step()
    yield _step_of("tools", [checks.check_ffmpeg(), checks.check_deno()])
    if demo.link():
        yield Step(name="demo", sentence=_("Try the built-in demo video. It needs no internet."))
    sentence = _("Paste the link of a video into the box above.")
    yield Step(name="paste", sentence=sentence)


def folder_step() -> Step:
    """Say where files go, or what is wrong with the folders."""
    return _step_of("folder", [*checks.check_folders(), *checks.check_free_space()])


def _step_of(name: str, made: list[Check]) -> Step:
    """Make one step of several checks: all that is wrong, or that everything is fine."""
    wrong = [check for check in made if check.level is not Level.OK]
    if wrong:
        sentence, fix = (" ".join(words) for words in zip(*map(_words_of, wrong), strict=True))
        return Step(name=name, sentence=sentence, is_done=False, fix=fix)
    if name == "tools":
        return Step(
            name=name, sentence=_("ffmpeg and a JavaScript runtime are there."), is_done=True
        )
    root = settings.VNSITE.media_root
    words = {"folder": root, "size": size(stats.free_bytes(root))}
    sentence = _("Files go to %(folder)s, where %(size)s are free.") % words
    return Step(name=name, sentence=sentence, is_done=True)


def _words_of(check: Check) -> tuple[str, str]:
    return str(check.sentence), str(check.fix)


@require_POST
@login_required
def hide(request: SignedInRequest) -> HttpResponse:
    """Show the steps to this user no more."""
    Preferences.objects.update_or_create(user=request.user, defaults={"has_first_steps": False})
    return redirect("dashboard")
