"""The public names of vnsite's download core (docs/lifecycle.md).

All of them but `DownloadManager` work without a configured Django. The manager needs rows, so it is
imported when it is first used. Nothing else may be imported here that needs more than the standard
library: this module runs before Django's settings exist.
"""

from typing import TYPE_CHECKING, Any

from downloads.disk.isolation import IsolatedDownload
from downloads.disk.temp_manager import TempManager, cleanup_download
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State as DownloadState
from downloads.standalone import DownloadCancelled, DownloadLifecycle, DownloadResult

if TYPE_CHECKING:
    from downloads.worker.worker import DownloadManager

__all__ = [
    "DownloadCancelled",
    "DownloadLifecycle",
    "DownloadManager",
    "DownloadOptions",
    "DownloadResult",
    "DownloadState",
    "IsolatedDownload",
    "TempManager",
    "cleanup_download",
]


def __getattr__(name: str) -> Any:
    if name != "DownloadManager":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from downloads.worker.worker import DownloadManager

    return DownloadManager
