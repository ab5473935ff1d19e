"""What must be true after every crash, however it came about."""

from dataclasses import asdict
from pathlib import Path

from django.conf import settings

from downloads.diagnostics import invariants
from downloads.models import Download
from downloads.worker import recovery
from tests.helpers.worker import staged_entries, temp_entries


def assert_ended_right(download: Download, original: Path) -> None:
    """It completed, byte-equal to `original`, is in the library once, and is clean."""
    download.refresh_from_db()
    assert (download.state, download.outcome) == ("cleaned", "completed"), download.error_data
    [entry] = settings.VNSITE.media_root.glob(f"*[[]{download.correlation_id}]*")
    [file] = entry.iterdir()
    assert file.read_bytes() == original.read_bytes()


def assert_listed(download: Download, count: int) -> None:
    """It completed with so many entries and no file, and is clean."""
    download.refresh_from_db()
    assert (download.state, download.outcome) == ("cleaned", "completed"), download.error_data
    assert download.listing.entries.count() == download.listing.count == count
    assert not list(settings.VNSITE.media_root.glob(f"*[[]{download.correlation_id}]*"))


def assert_killed_and_ended_right(download: Download, original: Path) -> None:
    """Its child was killed, which the history says. Each of its attempts was killed in the same
    way, unless one went on where another was and came to its end by other calls."""
    again = download.transitions.filter(reason="will_retry").first()
    assert again is not None
    assert again.data["signal"] == "SIGKILL"
    download.refresh_from_db()
    if download.outcome == "completed":
        assert_ended_right(download, original)
    else:
        assert_failed_by_signal(download)


def assert_failed_by_signal(download: Download) -> None:
    """Only its child was killed: it failed, says by what, and is clean."""
    download.refresh_from_db()
    assert (download.state, download.outcome) == ("cleaned", "failed")
    assert download.error_class == "worker_lost"
    assert download.error_data["signal"] == "SIGKILL"
    assert not list(settings.VNSITE.media_root.glob(f"*[[]{download.correlation_id}]*"))


def assert_nothing_is_left() -> None:
    """No breach, no note, no directory, no staging, and nothing for recovery to do, twice."""
    assert [vars(orphan) for orphan in recovery.recover(actor="test")] == []
    assert [asdict(finding) for finding in invariants.check(hashes=True)] == []
    assert temp_entries() == staged_entries() == []
    before = list(Download.objects.order_by("pk").values())
    assert recovery.recover(actor="test") == []
    assert list(Download.objects.order_by("pk").values()) == before
