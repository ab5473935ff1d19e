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
from downloads.fetch.protocol import Fetched
from downloads.models import Download, Progress, PublishedFile, short_transaction
from downloads.models.outage import is_outage
from downloads.rules.states import Reason, State
from downloads.worker.tenure import LeaseOver, Once, Writer

Manifest = dict[str, Any]
AT_ONCE = Once()


def publish(
    download: Download, fetched: Fetched, *, directory: Path, actor: str, writer: Writer
) -> None:
    """Put what was fetched into the library and say so; DOWNLOADING → COMPLETED.

    Raises CancelWasAsked or LostDownload before anything is visible, library.NotMedia for a type
    that is not published, library.Refused when a file is not what was verified, OSError when the
    disk does not take it; nothing is staged then, but after the decision something may be
    published: see `withdraw`. A lease that is over and a database that does not answer leave
    everything as it is: recovery will see what was decided.
    """
    title = fetched.title or download.title
    names = library.file_names(
        title, [library.suffix_of(file.name, media_type=file.media_type) for file in fetched.files]
    )
    manifest: Manifest = {
        "title": title,
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
        require=writer.require,
    )
    try:
        _decide(download, manifest, writer=writer)
        finish(download, actor=actor, writer=writer)
    except BaseException as error:
        if not isinstance(error, LeaseOver) and not is_outage(error):
            library.discard(settings.VNSITE.media_root, download.directory)
        raise


def _decide(download: Download, manifest: Manifest, *, writer: Writer, copy: int = 1) -> None:
    name = library.entry_name(manifest["title"], download.correlation_id, copy=copy)
    writer.insist(
        lambda: download.decide_to_publish(library_path=name, manifest=manifest), library_path=name
    )


def finish(download: Download, *, actor: str, writer: Writer = AT_ONCE) -> None:
    """Rename what is staged to the decided name, unless that was done; → COMPLETED.

    Raises FileNotFoundError when neither the staged nor the published files are there, and what
    the writer raises.
    """
    root, manifest = settings.VNSITE.media_root, download.manifest or {}
    copy = 1
    while not _is_published(download):
        writer.require()
        try:
            library.publish(root, download.directory, download.library_path)
        except FileExistsError:
            copy += 1
            _decide(download, manifest, writer=writer, copy=copy)
        except FileNotFoundError:
            # Somebody else may have finished it between our look and our rename.
            if not _is_published(download):
                raise
    writer.insist(lambda: _complete(download, manifest, actor=actor), state=State.COMPLETED)


def _complete(download: Download, manifest: Manifest, *, actor: str) -> None:
    with short_transaction():
        download.move(
            State.COMPLETED,
            actor=actor,
            reason=Reason.PUBLISHED,
            detail=_resumed_in_words(download),
            title=manifest["title"],
            error_class=None,
            error_detail="",
        )
        PublishedFile.objects.bulk_create(
            PublishedFile(download=download, **file) for file in manifest["files"]
        )


def _resumed_in_words(download: Download) -> str:
    """For the history: the progress row ends with the attempt."""
    rows = Progress.objects.filter(download_id=download.pk, attempt=download.attempt)
    resumed_bytes = rows.values_list("resumed_bytes", flat=True).first()
    return f"{resumed_bytes} bytes came from an earlier attempt" if resumed_bytes else ""


def withdraw(download: Download) -> None:
    """Take back what a publication published or staged that failed after the decision.

    Call it when the row says FAILED: before, somebody else might still complete it. Raises
    LostDownload when the row says something else by now.
    """
    take_back(download)
    download.note(library_path="", manifest=None)


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
