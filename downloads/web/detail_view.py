"""The page of one download in words: beside what its row shows, its history, files and logs."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from downloads import actions
from downloads.models import AttemptLog, PublishedFile, Transition
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.states import Outcome, Reason, State
from downloads.waiting import Why
from downloads.web.details import detail_of
from downloads.web.format import LOOKS, counted, size
from downloads.web.row_view import START_A_WORKER, DownloadView, actor_in_words
from downloads.web.timeline import Step, steps_of

MAX_LOGS = 3  # each may have 64 KiB; to older ones there is a link
PLAYABLE = frozenset({"audio", "video"})
REASONS: dict[str, str] = {
    Reason.DIRECTORY_MADE: "isolated directory made",
    Reason.WILL_RETRY: "will be tried again",
    Reason.SHUTDOWN: "worker stopped",
}


class Move(NamedTuple):
    """One transition in the history."""

    entry: Transition
    origin: str
    who: str
    reason: str
    detail: str


class File(NamedTuple):
    """One published file."""

    row: PublishedFile
    address: str
    about: str  # its size and what it is
    player: str  # the element that plays it, "video" or "audio"; "" when neither does


class Problem(NamedTuple):
    """The error of the newest attempt."""

    sentence: str
    next_step: str
    detail: str
    is_final: bool  # no other attempt follows by itself


@dataclass(frozen=True, kw_only=True)
class DetailView(DownloadView):
    """What the page of a download shows. Reads rows when it is asked for them, each once."""

    @cached_property
    def _history(self) -> list[Transition]:
        return list(self.download.transitions.order_by("seq"))

    @property
    def history(self) -> list[Move]:
        """The newest first."""
        return [
            Move(
                entry=entry,
                origin=LOOKS[State(entry.from_state)].label if entry.from_state else "",
                who=actor_in_words(entry.actor),
                reason=REASONS.get(entry.reason, entry.reason.replace("_", " ")),
                detail=detail_of(entry.data, write_bytes=size),
            )
            for entry in reversed(self._history)
        ]

    @property
    def steps(self) -> list[Step]:
        return steps_of(self._history)

    @property
    def remedy(self) -> str:
        """What somebody has to do before it can begin."""
        no_worker = self.waiting is not None and self.waiting.why == Why.NO_WORKER
        return START_A_WORKER if no_worker else ""

    @property
    def waiting_site(self) -> str:
        """The site that keeps it waiting and may be tried at once."""
        return self.waiting.site if self.waiting and self.waiting.why == Why.SITE else ""

    @property
    def problem(self) -> Problem | None:
        advice, download = self.advice, self.download
        if advice is None or download.outcome in (Outcome.COMPLETED, Outcome.CANCELLED):
            return None
        is_final = download.outcome == Outcome.FAILED
        again = "That ended the attempt before; it is tried again by itself."
        detail = detail_of(download.error_data, write_bytes=size)
        return Problem(
            sentence=advice.sentence,
            next_step=advice.next_step if is_final else again,
            detail=f"{download.error_class}: {detail}" if download.error_data else "",
            is_final=is_final,
        )

    @cached_property
    def cleanup(self) -> actions.CleanupPreview | None:
        return actions.preview_cleanup(self.download) if self.download.is_cleanable else None

    @property
    def cleanup_removes(self) -> str:
        """How much the clean-up removes; "" when nothing is there."""
        if self.cleanup is None or self.cleanup.path is None:
            return ""
        return f"{counted(self.cleanup.file_count, 'file')} ({size(self.cleanup.size_bytes)})"

    @cached_property
    def files(self) -> list[File]:
        return [
            File(
                row=file,
                address=reverse("media", args=[self.download.correlation_id, file.name]),
                about=f"{size(file.size)} · {file.media_type}",
                player=kind if (kind := file.media_type.partition("/")[0]) in PLAYABLE else "",
            )
            for file in self.download.files
        ]

    @property
    def files_were_deleted(self) -> bool:
        return not self.files and self.download.outcome == Outcome.COMPLETED

    @property
    def files_together(self) -> str:
        total = sum(file.row.size for file in self.files)
        return f"{counted(len(self.files), 'file')} ({size(total)})"

    @cached_property
    def _logged(self) -> list[int]:
        return list(self.download.logs.order_by("attempt").values_list("attempt", flat=True))

    @property
    def logs(self) -> list[AttemptLog]:
        """The logs of the newest attempts, oldest first."""
        shown = self._logged[-MAX_LOGS:]
        logs = self.download.logs.filter(attempt__in=shown).order_by("attempt")
        return list(logs) if shown else []

    @property
    def older_logs(self) -> list[int]:
        """The numbers of the attempts whose logs are not shown."""
        return self._logged[:-MAX_LOGS]

    @property
    def technical(self) -> list[tuple[str, str]]:
        """Terms with their values, beside the correlation id."""
        download = self.download
        of_most = f"{download.tries} of {download.max_attempts}"
        none_yet = f"None yet, {download.max_attempts} at most"
        directory = "Isolated directory" if download.is_running else "Directory that is kept"
        facts = [
            ("Address", _code(download.url)),
            ("Options", options_in_words(download.options)),
            ("Attempt", of_most if download.tries else none_yet),
            ("Worker", download.worker.name if download.worker else ""),
            (directory, _code(download.directory)),
            ("Kept for the next attempt", _code(download.carried)),
            ("In the library", _code(download.library_path)),
        ]
        return [(term, value) for term, value in facts if value]


def options_in_words(options: dict[str, str | None]) -> str:
    """Write all options, the defaults included; those of a newer version as what is wrong."""
    try:
        return DownloadOptions.from_mapping(options).summary
    except InvalidOption as unknown:
        return str(unknown)


def _code(text: str) -> SafeString | str:
    return format_html("<code>{}</code>", text) if text else ""
