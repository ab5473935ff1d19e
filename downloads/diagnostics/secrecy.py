"""Checks I18: cookies are of their site, and their values are in no row that people read."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from downloads.models import AttemptLog, Download, Entry, Listing, SiteCookies, Transition
from downloads.rules.cookies import hosts_serving
from downloads.rules.links import InvalidLink
from downloads.rules.sealing import Unreadable

# A value that is nothing else by chance. Others may be a word of any text.
SECRET = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w\-.%]{20,}")


class Fault(NamedTuple):
    correlation_id: str  # "-": it is of no download
    sentence: str
    is_breach: bool = True


def faults(downloads: Iterable[Download]) -> Iterator[Fault]:
    """Yield what is wrong with the cookies of all users; `downloads` are all downloads."""
    for row in SiteCookies.objects.select_related("owner"):
        whose = f"{row.owner}'s cookies of {row}"
        try:
            cookies = row.open()
        except Unreadable:
            yield Fault("-", f"{whose} cannot be read any more: paste them again.", is_breach=False)
            continue
        if not all(cookie.belongs_to(row.host) for cookie in cookies):
            yield Fault("-", f"Among {whose} are some of another site.")
        if row.summary != [cookie.without_value() for cookie in cookies]:
            yield Fault("-", f"What is shown of {whose} is not what they are.")
        served = {each.pk: each for each in downloads if _is_served(each, row)}
        secrets = [cookie.value for cookie in cookies if SECRET.fullmatch(cookie.value)]
        if served and secrets:
            for key in sorted(_telling(secrets, served=served, row=row)):
                told = served[key].correlation_id
                yield Fault(told, f"What is told of it has a cookie of {row}.")


def _telling(secrets: list[str], *, served: dict[int, Download], row: SiteCookies) -> set[int]:
    """Return the keys of those of the served downloads of whom something tells a secret."""
    owner = row.owner_id
    texts = (
        AttemptLog.objects.filter(download__owner=owner).values_list("download_id", "text"),
        Transition.objects.filter(download__owner=owner).values_list("download_id", "data"),
        Listing.objects.filter(download__owner=owner).values_list("download_id", "title"),
        Entry.objects.filter(listing__download__owner=owner).values_list("listing_id", "title"),
    )
    ends = ((key, f"{each.title} {each.error_data}") for key, each in served.items())
    return {
        key
        for key, text in chain(ends, *(each.iterator() for each in texts))
        if key in served and any(secret in str(text) for secret in secrets)
    }


def _is_served(download: Download, row: SiteCookies) -> bool:
    if download.owner_id != row.owner_id:
        return False
    with suppress(InvalidLink):
        return row.host in hosts_serving(download.url)
    return False
