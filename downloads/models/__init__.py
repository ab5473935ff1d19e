"""The rows, and the only writers of states.

Every change of state goes through `Download.move` (or its siblings for a whole batch): one short
transaction that names the state and the attempt that it expects, takes the next seq from the
counter row and inserts the transition. Imports of this project: the pure floor only.
"""

from downloads.models.access import ApiToken, IdempotentAnswer, Scope, user_actor
from downloads.models.archive import ArchivedMedia
from downloads.models.attempt import Attempt
from downloads.models.cookies import SiteCookies
from downloads.models.counts import Counts
from downloads.models.download import Download, DownloadQuerySet, Step, any_in
from downloads.models.extractors import Extractors, Wanted
from downloads.models.library import LibraryEntry, PublishedFile
from downloads.models.listings import (
    Addition,
    Entry,
    Listing,
    Refusal,
    add_entries,
    complete_with_listing,
)
from downloads.models.logs import AttemptLog
from downloads.models.preferences import Announcements, Density, Motion, Preferences, Theme
from downloads.models.presets import Preset, PresetUse
from downloads.models.progress import Progress
from downloads.models.queue import Queue
from downloads.models.quotas import Quota
from downloads.models.reactions import Reaction
from downloads.models.saved_views import SavedView
from downloads.models.sites import Site, SiteStart
from downloads.models.stream import Deletion, StreamPosition, Transition
from downloads.models.submissions import Submitted, TooManyWaiting
from downloads.models.thumbnails import Thumbnail
from downloads.models.transactions import (
    CancelWasAsked,
    IllegalMove,
    LostDownload,
    clock_ahead_seconds,
    database_now,
    short_transaction,
    snapshot,
)
from downloads.models.workers import Worker

__all__ = [
    "Addition",
    "Announcements",
    "ApiToken",
    "ArchivedMedia",
    "Attempt",
    "AttemptLog",
    "CancelWasAsked",
    "Counts",
    "Deletion",
    "Density",
    "Download",
    "DownloadQuerySet",
    "Entry",
    "Extractors",
    "IdempotentAnswer",
    "IllegalMove",
    "LibraryEntry",
    "Listing",
    "LostDownload",
    "Motion",
    "Preferences",
    "Preset",
    "PresetUse",
    "Progress",
    "PublishedFile",
    "Queue",
    "Quota",
    "Reaction",
    "Refusal",
    "SavedView",
    "Scope",
    "Site",
    "SiteCookies",
    "SiteStart",
    "Step",
    "StreamPosition",
    "Submitted",
    "Theme",
    "Thumbnail",
    "TooManyWaiting",
    "Transition",
    "Wanted",
    "Worker",
    "add_entries",
    "any_in",
    "clock_ahead_seconds",
    "complete_with_listing",
    "database_now",
    "short_transaction",
    "snapshot",
    "user_actor",
]
