"""Steps 6 to 9 of a download: from verified files to COMPLETED, and how recovery finishes them.

The order is what makes it safe to be killed anywhere: the bytes are durable in the staging
directory, then the row says under which name they will appear, then one rename makes them appear,
then the row says that they did.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from downloads.disk import library
from downloads.disk.names import entry_name, file_names, suffix_of
from downloads.fetch.protocol import Fetched
from downloads.models import Download, Progress
from downloads.models.outage import is_outage
from downloads.rules.states import Stop
from downloads.worker.owned import LeaseOver, OwnedRow, Row

Manifest = dict[str, Any]


def publish(row: OwnedRow, fetched: Fetched, *, directory: Path) -> None:
    """Put what was fetched into the library and say so; DOWNLOADING → COMPLETED.

    Raises CancelWasAsked or LostDownload before anything is visible, NotMedia for a type that is
    not published, RefusedFile when a file is not what was verified, OSError when the disk does not
    take it; nothing is staged then, but after the decision something may be published: see
    `withdraw`. A lease that is over and a database that does not answer leave everything as it is:
    recovery will see what was decided.
    """
    download = row.download
    title = fetched.title or download.title
    names = file_names(
        title, [suffix_of(file.name, media_type=file.media_type) for file in fetched.files]
    )
    manifest: Manifest = {
        "title": title,
        "data": fetched.data,
        "files": [
            {**asdict(file), "name": name} for file, name in zip(fetched.files, names, strict=True)
        ],
    }
    library.stage(
        settings.VNSITE.media_root,
        download.directory,
        [
            library.StagedFile(
                source=directory / file.name, name=name, size=file.size, sha256=file.sha256
            )
            for file, name in zip(fetched.files, names, strict=True)
        ],
        mode=settings.VNSITE.library_mode,
        require=row.require,
    )
    try:
        _decide(row, manifest)
        finish(row)
    except BaseException as error:
        if not isinstance(error, LeaseOver) and not is_outage(error):
            library.discard(settings.VNSITE.media_root, download.directory)
        raise


def _decide(row: Row, manifest: Manifest, *, copy: int = 1) -> None:
    name = entry_name(manifest["title"], row.download.correlation_id, copy=copy)
    row.decide_to_publish(library_path=name, manifest=manifest)


def finish(row: Row) -> None:
    """Rename what is staged to the decided name, unless that was done; → COMPLETED.

    Raises FileNotFoundError when neither the staged nor the published files are there, and what
    the row raises.
    """
    root, download = settings.VNSITE.media_root, row.download
    manifest = download.manifest or {}
    copy = 1
    while not _is_published(download):
        row.require()
        try:
            library.publish(root, download.directory, download.library_path)
        except FileExistsError:
            copy += 1
            _decide(row, manifest, copy=copy)
        except FileNotFoundError:
            # Somebody else may have finished it between our look and our rename.
            if not _is_published(download):
                raise
    data = manifest.get("data", {}) | _resumed(row) | _stopped_by(row, manifest)
    row.complete(manifest["files"], title=manifest["title"], data=data)


def _resumed(row: Row) -> dict[str, int]:
    """For the history: the progress row ends with the attempt."""
    download = row.download
    rows = Progress.objects.filter(download_id=download.pk, attempt=download.attempt)
    resumed_bytes = row.ask(rows.values_list("resumed_bytes", flat=True).first)
    return {"resumed_bytes": resumed_bytes} if resumed_bytes else {}


def _stopped_by(row: Row, manifest: Manifest) -> dict[str, str]:
    """For the history: who asked to stop a recording."""
    if manifest.get("data", {}).get("stopped") != Stop.ASKED:
        return {}
    rows = Download.objects.filter(pk=row.download.pk)
    asked_by = row.ask(rows.values_list("keep_requested_by", flat=True).first)
    return {"asked_by": asked_by or ""}


def withdraw(row: Row) -> None:
    """Take back what a publication published or staged that failed after the decision.

    Call it when the row says FAILED: before, somebody else might still complete it. Raises
    LostDownload when the row says something else by now.
    """
    row.require()
    take_back(row.download)
    row.note(library_path="", manifest=None)


def take_back(download: Download) -> None:
    """Remove what this attempt, which is over, staged or published. Writes no row."""
    root = settings.VNSITE.media_root
    if _is_published(download):
        library.remove(root, download.library_path)
    library.discard(root, download.directory)


def _is_published(download: Download) -> bool:
    """Whether the decided name holds exactly the files of the manifest, and nothing is staged."""
    root, manifest = settings.VNSITE.media_root, download.manifest or {"files": []}
    sizes = {file["name"]: file["size"] for file in manifest["files"]}
    return not library.is_staged(root, download.directory) and library.holds(
        root, download.library_path, sizes
    )
