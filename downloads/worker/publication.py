"""Steps 6 to 9 of a download: from verified files to COMPLETED, and how recovery finishes them.

The order is what makes it safe to be killed anywhere: the bytes are durable in the staging
directory, then the row says under which name they will appear, then one rename makes them appear,
then the isolated directory, which nobody needs any more, is removed, then the row says that.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from downloads import actions
from downloads.disk import library
from downloads.disk.library import StagedFile
from downloads.disk.names import MAX_NAME_BYTES, entry_name, file_names, suffix_beside, suffix_of
from downloads.disk.partial import Finished
from downloads.disk.shares import longest_name_bytes
from downloads.fetch.protocol import Fetched, ManifestFile
from downloads.models import AttemptLog, Download, Thumbnail
from downloads.models.outage import is_outage
from downloads.rules.states import Reason, Role, State, Stop
from downloads.worker.owned import LeaseOver, OwnedRow, Row

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]


class NotPublished(Exception):
    """The library's file system refused. The finished files are in their directory again."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.errno = error.errno


class OutOfReach(LeaseOver):
    """The file system refuses to give the finished files back: recovery will try again."""


def publish(
    row: OwnedRow,
    fetched: Fetched,
    *,
    directory: Path,
    known: Mapping[str, Any] | None = None,
    thumbnail: Thumbnail | None = None,
    log: AttemptLog | None = None,
) -> None:
    """Put what was fetched into the library and say so; DOWNLOADING → COMPLETED.

    `known` are columns that are written with the decision: the archive needs them. So are a
    `thumbnail` and the `log`.

    Raises CancelWasAsked or LostDownload before anything is visible, NotMedia for a type that is
    not published, RefusedFile when a file is not the verified one, NotPublished when the disk does
    not take it; nothing is staged or published then. When the lease is over, the files are
    OutOfReach or the database does not answer, everything stays for recovery.
    """
    download = row.download
    finished = _finished(fetched, title=fetched.title or download.title)
    with suppress(OSError):  # then what breaks now makes it be fetched again
        finished.write(directory)
    try:
        library.stage(
            settings.VNSITE.media_root,
            download.directory,
            _to_publish(finished, directory),
            mode=settings.VNSITE.library_mode,
            require=row.require,
        )
        _decide(row, _manifest_of(finished), known or {}, thumbnail=thumbnail, log=log)
        finish(row)
    except BaseException as error:
        if isinstance(error, LeaseOver) or is_outage(error):
            raise
        if isinstance(error, OSError):
            row.require()  # else somebody else may have finished it
            bring_back(download)
            raise NotPublished(error) from error
        library.discard(settings.VNSITE.media_root, download.directory)
        Finished.forget(directory)
        raise


def _finished(fetched: Fetched, *, title: str) -> Finished:
    """Name the files as the library will have them. Raises NotMedia."""
    suffixes = [_suffix_of(file) for file in fetched.files]
    return Finished(
        title=title,
        files=[asdict(file) for file in fetched.files],
        published_as=file_names(title, suffixes, max_bytes=_max_name_bytes()),
        data=fetched.data,
        media=fetched.media,
        about=fetched.about,
    )


def _suffix_of(file: ManifestFile) -> str:
    if file.role in (Role.VIDEO, Role.AUDIO):
        return suffix_of(file.name, media_type=file.media_type)
    return suffix_beside(file.name, media_type=file.media_type, language=file.language)


def _manifest_of(finished: Finished) -> Manifest:
    named = zip(finished.files, finished.published_as, strict=True)
    files = [{**file, "name": name} for file, name in named]
    return {
        "title": finished.title,
        "data": finished.data,
        "media": finished.media,
        "about": finished.about,
        "files": files,
    }


def _to_publish(finished: Finished, directory: Path) -> list[StagedFile]:
    return [
        StagedFile(
            source=directory / file["name"], name=name, size=file["size"], sha256=file["sha256"]
        )
        for file, name in zip(finished.files, finished.published_as, strict=True)
    ]


def bring_back(download: Download) -> None:
    """Undo what a publication that did not come to its end did to the finished files.

    Raises OutOfReach when their file system refuses that.
    """
    root, directory = settings.VNSITE.media_root, settings.VNSITE.temp_root / download.directory
    finished = Finished.read(directory)
    is_ours = _is_published(download) or library.is_staged(root, download.directory)
    try:
        library.bring_back(
            root,
            download.directory,
            _to_publish(finished, directory) if finished else [],
            name=download.library_path if is_ours else "",
        )
    except OSError as error:
        raise OutOfReach(f"its files cannot be moved back: {error}") from error


def _decide(
    row: Row,
    manifest: Manifest,
    known: Mapping[str, Any],
    *,
    copy: int = 1,
    **also: Any,
) -> None:
    """Write the name of the entry; `also`: see `Download.decide_to_publish`."""
    download = row.download
    said = download.media | known.get("media", {})
    date = f"{download.created_at:%Y-%m-%d}"
    name = entry_name(
        manifest["title"],
        download.correlation_id,
        site=download.site,
        uploader=said.get("uploader") or said.get("channel") or "",
        date=date,
        year=(said.get("uploaded_at") or date)[:4],
        template=settings.VNSITE.library_names,
        copy=copy,
        max_bytes=_max_name_bytes(),
    )
    columns = {**known, "library_path": name}
    decide = partial(download.decide_to_publish, manifest=manifest, **also, **columns)
    row.write(decide, **columns)


def _max_name_bytes() -> int:
    return longest_name_bytes(settings.VNSITE.media_root, most=MAX_NAME_BYTES)


def finish(row: Row) -> None:
    """Rename what is staged to the decided name, unless that was done; → COMPLETED, and CLEANED.

    It is only COMPLETED when the settings want the directory kept, or it cannot be removed.

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
            _decide(row, manifest, {}, copy=copy)
        except FileNotFoundError:
            # Somebody else may have finished it between our look and our rename.
            if not _is_published(download):
                raise
    files, title = manifest["files"], manifest["title"]
    media = download.media | manifest.get("media", {})
    data = manifest.get("data", {}) | _stopped_by(row, manifest)
    freed_bytes = _remove_directory(row)
    complete = partial(
        download.complete,
        files,
        actor=row.actor,
        title=title,
        data=data,
        media=media,
        freed_bytes=freed_bytes,
    )
    row.write(complete, state=State.COMPLETED if freed_bytes is None else State.CLEANED)
    logger.info("%s is %s (%s)", download, State.COMPLETED, Reason.PUBLISHED)


def _remove_directory(row: Row) -> int | None:
    """Remove what is left beside the library; return the bytes freed, or None when it stays."""
    if not settings.VNSITE.cleanup_on_success:
        return None
    row.require()
    try:
        return actions.remove_directory(row.download)
    except OSError:
        return None  # whoever cleans it tries again, and says so


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
    columns = {"library_path": "", "manifest": None}
    row.write(lambda: row.download.note(**columns), **columns)


def take_back(download: Download) -> None:
    """Remove what this attempt, which is over, staged or published. Writes no row."""
    root = settings.VNSITE.media_root
    if _is_published(download):
        library.remove(root, download.library_path)
    library.discard(root, download.directory)


def _is_published(download: Download) -> bool:
    """Return whether the decided name holds exactly the manifest's files, and nothing is staged."""
    root, manifest = settings.VNSITE.media_root, download.manifest or {"files": []}
    sizes = {file["name"]: file["size"] for file in manifest["files"]}
    return not library.is_staged(root, download.directory) and library.holds(
        root, download.library_path, sizes
    )
