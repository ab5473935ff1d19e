"""The states of a download, and every move between them, as data.

Pure: imports nothing of Django or of this project. docs/lifecycle.md is this table in prose.
"""

from enum import StrEnum

from downloads.rules.words import marked, say


class State(StrEnum):
    CREATED = "created"
    INITIALIZING = "initializing"
    READY = "ready"
    DOWNLOADING = "downloading"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CLEANED = "cleaned"


class Outcome(StrEnum):
    """How a download ended. Kept beside the state, so that CLEANED still says how."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Result(StrEnum):
    """What a completed download ended with; exactly one of them."""

    FILES = "files"
    LISTING = "listing"  # its link stands for many videos, which are listed
    HAVE_IT = "have_it"  # its owner had the video already
    CHECKED = "checked"  # it was only looked up, as its options say


class ListKind(StrEnum):
    """What kind of thing was listed."""

    PLAYLIST = "playlist"
    CHANNEL = "channel"
    PAGE = "page"  # with several videos
    FEED = "feed"


class ListEnd(StrEnum):
    """Why the reading of a list ended."""

    END = "end"  # it has no more
    LIMIT = "limit"  # VNSITE_MAX_ENTRIES, or as many as were asked for
    REPEATS = "repeats"  # it goes on with what was read already
    KNOWN = "known"  # only new ones were asked for, and a batch had none


class Role(StrEnum):
    """What a published file is for."""

    VIDEO = "video"  # with its sound
    AUDIO = "audio"
    SUBTITLES = "subtitles"
    THUMBNAIL = "thumbnail"
    INFO = "info"  # for media servers and scripts: .nfo, .info.json


class Reason(StrEnum):
    """Why a transition happened; one to FAILED has an error class as its reason instead."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    DIRECTORY_MADE = "directory_made"
    CHILD_STARTED = "child_started"
    PUBLISHED = "published"
    LISTED = "listed"
    HAVE_IT = "have_it"
    CHECKED = "checked"
    IMPORTED = "imported"  # all of a life that was another tool's
    CANCELLED = "cancelled"
    WILL_RETRY = "will_retry"
    SHUTDOWN = "shutdown"
    WORKER_LOST = "worker_lost"
    CLEANED = "cleaned"
    RETRIED = "retried"


class Phase(StrEnum):
    """What DOWNLOADING is doing."""

    EXTRACTING = "extracting"
    LISTING = "listing"  # its link stands for many videos, which are read
    FETCHING = "fetching"
    RECORDING = "recording"  # a live stream: it goes on until somebody or something stops it
    POST_PROCESSING = "post-processing"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"


class Stop(StrEnum):
    """Why a recording ended."""

    ENDED = "ended"  # by the site
    SILENT = "silent"  # no segment came for VNSITE_STALL_SECONDS
    ASKED = "asked"
    TIME = "time"
    SIZE = "size"
    SPACE = "space"
    LOST = "lost"  # after an interruption the site did not offer it any more


WAITING = frozenset({State.CREATED})
RUNNING = frozenset({State.INITIALIZING, State.READY, State.DOWNLOADING})
ACTIVE = WAITING | RUNNING
ENDED = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})

TRANSITIONS: dict[State | None, frozenset[State]] = {
    None: frozenset({State.CREATED}),
    State.CREATED: frozenset({State.INITIALIZING, State.CANCELLED}),
    State.INITIALIZING: frozenset({State.READY, State.FAILED, State.CANCELLED, State.CREATED}),
    State.READY: frozenset({State.DOWNLOADING, State.FAILED, State.CANCELLED, State.CREATED}),
    State.DOWNLOADING: frozenset(
        {State.COMPLETED, State.FAILED, State.CANCELLED, State.CREATED},
    ),
    State.COMPLETED: frozenset({State.CLEANED}),
    State.FAILED: frozenset({State.CLEANED, State.CREATED}),
    State.CANCELLED: frozenset({State.CLEANED, State.CREATED}),
    State.CLEANED: frozenset({State.CREATED}),
}


def can_move(origin: State | None, to: State, *, outcome: Outcome | None = None) -> bool:
    """Say whether a download in `origin` may become `to`; `origin` None means that it is new.

    `outcome` matters only from CLEANED: a download that completed is not retried, because its
    files are in the library already.
    """
    if origin is State.CLEANED and outcome is Outcome.COMPLETED:
        return False
    return to in TRANSITIONS[origin]


def word_of(state: str) -> str:
    """Say a state or an outcome within a sentence, in the reader's language."""
    return say(WORDS.get(state, state))


WORDS = {
    State.CREATED.value: marked("created"),
    State.INITIALIZING.value: marked("initializing"),
    State.READY.value: marked("ready"),
    State.DOWNLOADING.value: marked("downloading"),
    State.COMPLETED.value: marked("completed"),
    State.FAILED.value: marked("failed"),
    State.CANCELLED.value: marked("cancelled"),
    State.CLEANED.value: marked("cleaned"),
}
