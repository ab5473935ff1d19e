"""What was done to many downloads, and what is about to be done to them, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.db.models import Count, Sum
from django.utils.translation import gettext, ngettext_lazy

from downloads import actions
from downloads.many import Action, Done, Refusal
from downloads.models import Download, DownloadQuerySet, PublishedFile
from downloads.rules.states import State
from downloads.rules.words import grouped
from downloads.web.format import size


def sentence_about(action: Action, done: Done) -> str:
    """Say what became of all of them: "9 downloads cancelled. 2 had ended already." """
    return " ".join(_sentences(action, done)) or gettext("There is nothing to do for this.")


def _sentences(action: Action, done: Done) -> Iterator[str]:
    if finished := done.done - done.asked:
        yield _counted(_DONE[action], finished)
    if done.asked:
        yield _counted(_ASKED, done.asked)
    for refusal, number in sorted(done.refused.items()):
        yield _counted(_REFUSED[refusal], number, reason=done.reason)
    if done.left:
        yield _counted(_LEFT, done.left)


def _counted(forms: Any, number: int, **values: str) -> str:
    """Write the sentence for this number, with it and with further values."""
    return str(forms % {"count": number, "number": grouped(number), **values})


_DONE: dict[Action, Any] = {
    Action.CANCEL: ngettext_lazy(
        "%(number)s download cancelled.", "%(number)s downloads cancelled.", "count"
    ),
    Action.RETRY: ngettext_lazy(
        "%(number)s download will be tried again.",
        "%(number)s downloads will be tried again.",
        "count",
    ),
    Action.CLEANUP: ngettext_lazy(
        "%(number)s download cleaned up.", "%(number)s downloads cleaned up.", "count"
    ),
    Action.DELETE: ngettext_lazy(
        "%(number)s download deleted.", "%(number)s downloads deleted.", "count"
    ),
    Action.PAUSE: ngettext_lazy(
        "%(number)s download paused.", "%(number)s downloads paused.", "count"
    ),
    Action.RESUME: ngettext_lazy(
        "%(number)s download resumed.", "%(number)s downloads resumed.", "count"
    ),
    Action.FIRST: ngettext_lazy(
        "%(number)s download put first in the queue.",
        "%(number)s downloads put first in the queue.",
        "count",
    ),
}
_ASKED = ngettext_lazy(
    "%(number)s running download is being stopped.",
    "%(number)s running downloads are being stopped.",
    "count",
)
_LEFT = ngettext_lazy(
    "%(number)s more is left: do it once more.",
    "%(number)s more are left: do it once more.",
    "count",
)
_REFUSED: dict[Refusal, Any] = {
    Refusal.ENDED: ngettext_lazy(
        "%(number)s had ended already.", "%(number)s had ended already.", "count"
    ),
    Refusal.WAITING: ngettext_lazy(
        "%(number)s is waiting: nothing was done to it.",
        "%(number)s are waiting: nothing was done to them.",
        "count",
    ),
    Refusal.RUNNING: ngettext_lazy(
        "%(number)s is running: cancel it first.",
        "%(number)s are running: cancel them first.",
        "count",
    ),
    Refusal.PUBLISHING: ngettext_lazy(
        "%(number)s could not be stopped any more: its files are being moved to the library.",
        "%(number)s could not be stopped any more: their files are being moved to the library.",
        "count",
    ),
    Refusal.COMPLETED: ngettext_lazy(
        "%(number)s is completed.", "%(number)s are completed.", "count"
    ),
    Refusal.CLEAN: ngettext_lazy(
        "%(number)s had no temp files left.", "%(number)s had no temp files left.", "count"
    ),
    Refusal.GONE: ngettext_lazy(
        "%(number)s does not exist any more.", "%(number)s do not exist any more.", "count"
    ),
    Refusal.DISK: ngettext_lazy(
        "The files of %(number)s could not be removed: the log of the server says why.",
        "The files of %(number)s could not be removed: the log of the server says why.",
        "count",
    ),
    Refusal.OTHER: ngettext_lazy(
        "%(number)s could not be: %(reason)s", "%(number)s could not be: %(reason)s", "count"
    ),
}


_HEADINGS = {
    Action.DELETE: ngettext_lazy(
        "Delete %(number)s download?", "Delete %(number)s downloads?", "count"
    ),
    Action.CLEANUP: ngettext_lazy(
        "Clean up %(number)s download?", "Clean up %(number)s downloads?", "count"
    ),
}
_BUTTONS = {
    Action.DELETE: ngettext_lazy(
        "Delete %(number)s download", "Delete %(number)s downloads", "count"
    ),
    Action.CLEANUP: ngettext_lazy(
        "Clean up %(number)s download", "Clean up %(number)s downloads", "count"
    ),
}
_FILES = ngettext_lazy("%(number)s file (%(size)s)", "%(number)s files (%(size)s)", "count")


def _why_not(download: Download) -> Refusal:
    """Sort why it can be neither deleted nor cleaned up."""
    if download.is_running:
        return Refusal.RUNNING
    return Refusal.CLEAN if download.state == State.CLEANED else Refusal.WAITING


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a deletion or a clean-up of these downloads removes, before it is done."""

    action: Action
    ids: str  # correlation ids, with commas between
    count: int
    refused: str  # why others are left out; "": none are
    temp_bytes: int
    temp_root: Path
    file_count: int  # in the library
    file_bytes: int
    library: Path

    @classmethod
    def about(cls, downloads: DownloadQuerySet, action: Action) -> Self:
        """Ask about those of them that can be deleted, or cleaned up."""
        rows = list(downloads.defer("manifest", "media"))
        is_deletion = action is Action.DELETE
        chosen = [row for row in rows if row.is_cleanable or (is_deletion and not row.is_running)]
        others = Counter(_why_not(row) for row in rows if row not in chosen)
        files = PublishedFile.objects.filter(entry__download__in=[each.pk for each in chosen])
        together = files.aggregate(number=Count("pk"), together=Sum("size"))
        previews = map(actions.preview_cleanup, chosen)
        return cls(
            action=action,
            ids=",".join(each.correlation_id for each in chosen),
            count=len(chosen),
            refused=" ".join(_counted(_REFUSED[why], number) for why, number in others.items()),
            temp_bytes=sum(preview.size_bytes for preview in previews),
            temp_root=settings.VNSITE.temp_root,
            file_count=together["number"],
            file_bytes=together["together"] or 0,
            library=settings.VNSITE.media_root,
        )

    @property
    def is_deletion(self) -> bool:
        return self.action is Action.DELETE

    @property
    def heading(self) -> str:
        return _counted(_HEADINGS[self.action], self.count)

    @property
    def button(self) -> str:
        return _counted(_BUTTONS[self.action], self.count)

    @property
    def temp_size(self) -> str:
        """The size of their temp files; "" when there are none."""
        return size(self.temp_bytes) if self.temp_bytes else ""

    @property
    def files(self) -> str:
        """How many files they have in the library, with their size; "": none."""
        if not self.file_count:
            return ""
        return _counted(_FILES, self.file_count, size=size(self.file_bytes))


def links_of(downloads: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(downloads))
