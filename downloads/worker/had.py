"""Finds out whether the owner of a download has its video already, before that is fetched."""

from dataclasses import dataclass

from downloads.models import Download
from downloads.models.outage import is_outage
from downloads.rules.options import DownloadOptions


@dataclass(frozen=True, kw_only=True)
class Had:
    """The video that a child is about to fetch is one that the owner has."""

    by: Download


def look(download: Download, extractor: str, media_id: str) -> Had | None:
    """Look for files of the same video and options; None while the database is away."""
    try:
        found = Download.objects.had_by(
            download.owner,
            extractor=extractor,
            media_id=media_id,
            options=DownloadOptions.from_mapping(download.options),
        )
    except Exception as error:
        if not is_outage(error):
            raise
        return None
    return Had(by=found) if found else None
