"""Turns an exception into facts that can be sent to the worker."""

import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from downloads.fetch.found import found_in
from downloads.fetch.protocol import Broke
from downloads.rules.classify import UNFORESEEN_BY_EXTRACTOR, ErrorFacts, classify
from downloads.rules.errors import ErrorClass
from downloads.rules.redaction import MAX_LOOKED_AT, redact
from downloads.sandbox.guard import PolicyBlocked

MAX_MESSAGE_LENGTH = 2000
# Where it helps to know what else the site has.
WITH_FORMATS = frozenset({ErrorClass.FORMAT_UNAVAILABLE, ErrorClass.TOO_LARGE})
TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# When yt-dlp gives up after its own retries, only its message still holds the status.
HTTP_ERROR = re.compile(r"\bHTTP Error ([45]\d\d)\b")
# Nobody is sent to yt-dlp's issue tracker with the words of a machine.
BUG_REPORT = re.compile(
    r";?\s*please report this issue on .*?(?:using\s+yt-dlp -U|\Z)", re.DOTALL | re.IGNORECASE
)


def facts_of(
    error: BaseException,
    *,
    refusals: list[str],
    hints: Iterable[str] = (),
    video: Mapping[str, Any] | None = None,
) -> Broke:
    """Return what the worker is told of an error.

    `refusals` are the guard's. Libraries turn its exception into their own, so that a refusal
    counts as the cause of whatever failed after it. `hints` are kinds that warnings foretold.
    `video` is yt-dlp's: when it cannot be had as wished, or is too large, what its site has of it
    is told.
    """
    chain = list(_chain(error))
    kinds = [type(link).__name__ for link in chain]
    if any(getattr(link, "expected", True) is False for link in chain):
        kinds.append(UNFORESEEN_BY_EXTRACTOR)
    kinds += hints
    message = clean_message(str(error)) or type(error).__name__
    if refusals:
        kinds.insert(0, PolicyBlocked.__name__)
        message = clean_message(refusals[0])  # the site chose the host's name
    starts_at = _first(chain, "starts_at")
    broke = Broke(
        kinds=kinds,
        message=message,
        http_status=_first(chain, "status") or _status_in(message),
        errno=_first(chain, "errno"),
        retry_after_seconds=starts_at - time.time() if starts_at else _retry_after(chain),
        data={"starts_at": starts_at} if starts_at else {},
    )
    if video and _class_of(broke) in WITH_FORMATS and MemoryError.__name__ not in kinds:
        with suppress(Exception):  # a site may say anything: that must not hide the error itself
            return replace(broke, data={"formats": [each.as_dict() for each in found_in(video)]})
    return broke


def class_of(error: BaseException) -> ErrorClass:
    """Name the class of an error as the worker will."""
    return _class_of(facts_of(error, refusals=[]))


def _class_of(broke: Broke) -> ErrorClass:
    return classify(
        ErrorFacts(
            kinds=tuple(broke.kinds),
            message=broke.message,
            http_status=broke.http_status,
            errno=broke.errno,
        )
    )


def clean_message(text: str) -> str:
    """Clean an error text for a person: no colours, no "ERROR:", no request to report a bug.

    A site can put anything into it: invisible, control and unstorable characters are removed.
    """
    text = TERMINAL_SEQUENCE.sub("", text).removeprefix("ERROR: ")
    text = BUG_REPORT.sub("", text)
    text = "".join(
        character
        for character in text
        if character == "\n" or not unicodedata.category(character).startswith("C")
    )
    # Redact before cutting: half of a user-info is no longer recognised.
    return redact(text[:MAX_LOOKED_AT]).strip()[:MAX_MESSAGE_LENGTH]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, by every way in which Python and yt-dlp record them."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        exc_info = getattr(link, "exc_info", None)
        if isinstance(exc_info, tuple) and len(exc_info) > 1:
            waiting.append(exc_info[1])
        waiting += [getattr(link, "cause", None), link.__cause__, link.__context__]
        waiting += [argument for argument in link.args if isinstance(argument, BaseException)]


def _first(chain: list[BaseException], name: str) -> int | None:
    values = (getattr(link, name, None) for link in chain)
    return next((value for value in values if isinstance(value, int)), None)


def _status_in(message: str) -> int | None:
    found = HTTP_ERROR.search(message)
    return int(found[1]) if found else None


def _retry_after(chain: list[BaseException]) -> float | None:
    """Return the seconds that `Retry-After` (a number or a date) asks for; None without one."""
    for link in chain:
        headers = getattr(getattr(link, "response", None), "headers", None)
        value = headers.get("Retry-After") if headers is not None else None
        if value:
            return parse_retry_after(str(value), now=datetime.now(UTC))
    return None


def parse_retry_after(value: str, *, now: datetime) -> float | None:
    """Parse `Retry-After` (RFC 9110, 10.2.3) into seconds; None for neither a number nor a date."""
    try:
        return float(int(value))
    except (ValueError, OverflowError):
        pass
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        return None
    return (when - now).total_seconds()
