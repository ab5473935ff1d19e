"""Reads cookies from what people paste: a cookies.txt (Netscape), or the JSON of an extension.

Pure. A text is refused as a whole, with the line or the number of the cookie, when a part of it is
not a cookie. What is one, and of no use for the site, is left out and counted.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from downloads.rules.cookies import MAX_COOKIES, Cookie, newest

MAX_TEXT_BYTES = 256 * 1024
MAX_NAMED_DOMAINS = 3  # in a sentence
HTTP_ONLY = "#HttpOnly_"
Making = tuple[str, Callable[[], Cookie]]  # where a cookie stands, and what makes it or raises

FIELDS = 7  # of a line: domain, subdomains, path, secure, expires, name, value
FLAGS = {"TRUE": True, "FALSE": False}
# No time in seconds is that late: extensions that count in milliseconds mean the same.
FIRST_MILLISECONDS = 10**11
LAST_SECOND = 253_402_300_799  # of the year 9999


class InvalidCookies(ValueError):
    """The text holds no cookies that can be kept. The message is a sentence and has no value."""


@dataclass(frozen=True, kw_only=True)
class PastedCookies:
    """The cookies of a text that are kept, and what was left out of it."""

    cookies: tuple[Cookie, ...]
    expired: int  # how many
    unsendable: int  # no name, or characters that no header can carry
    other_domains: tuple[str, ...]  # of which there were cookies that are not the site's, sorted

    @property
    def left_out(self) -> str:
        """Say in a sentence what is not kept; "" when all is."""
        parts = [f"{self.expired} expired"] if self.expired else []
        parts += [f"{self.unsendable} that no request can carry"] if self.unsendable else []
        parts += [f"those of {_listed(self.other_domains)}"] if self.other_domains else []
        return f"Left out: {', '.join(parts)}." if parts else ""


def read_cookies(text: str, *, host: str, now: float) -> PastedCookies:
    """Read the cookies of the site that `host` is of. Raises InvalidCookies.

    `now`: seconds since 1970, to tell what has expired.
    """
    if len(text.encode(errors="replace")) > MAX_TEXT_BYTES:
        raise InvalidCookies(f"The text has more than {MAX_TEXT_BYTES // 1024} KiB.")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InvalidCookies("Paste the cookies, or choose a file.")
    makings = _from_json(text) if text.lstrip()[0] in "[{" else _from_lines(text)
    found = [_checked(place, make) for place, make in makings]
    if not found:
        raise InvalidCookies("There is no cookie in this text.")
    own = [cookie for cookie in found if cookie.belongs_to(host)]
    other_domains = tuple(sorted({each.domain for each in found if not each.belongs_to(host)}))
    living = [cookie for cookie in own if not cookie.has_expired(now)]
    sendable = [cookie for cookie in living if cookie.can_be_sent]
    kept = newest(sendable)
    if not own:
        raise InvalidCookies(f"No cookie is of {host}: they are of {_listed(other_domains)}.")
    if not kept:
        raise InvalidCookies(
            f"All cookies of {host} have expired, or have no name. Sign in there, and export anew."
        )
    if len(kept) > MAX_COOKIES:
        raise InvalidCookies(f"{len(kept)} cookies are of {host}. At most {MAX_COOKIES} are kept.")
    return PastedCookies(
        cookies=kept,
        expired=len(own) - len(living),
        unsendable=len(living) - len(sendable),
        other_domains=other_domains,
    )


def _checked(place: str, make: Callable[[], Cookie]) -> Cookie:
    try:
        cookie = make()
    except ValueError as error:
        raise InvalidCookies(f"{place}: {error}.") from None
    if cookie.fault:
        raise InvalidCookies(f"{place}: {cookie.fault}.")
    return cookie


def _from_lines(text: str) -> Iterator[Making]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        is_http_only = line.startswith(HTTP_ONLY)
        content = line.removeprefix(HTTP_ONLY)
        if content.strip() and not content.startswith("#"):
            yield f"Line {number}", partial(_of_line, content, is_http_only=is_http_only)


def _of_line(line: str, *, is_http_only: bool) -> Cookie:
    """Make a cookie of a line. A missing last field is an empty value."""
    fields = line.split("\t")
    if len(fields) not in (FIELDS - 1, FIELDS):  # spaces instead of tabs
        fields = line.split(None, FIELDS - 1)
    if len(fields) == FIELDS - 1:
        fields.append("")
    if len(fields) != FIELDS:
        raise ValueError(f"a cookie has {FIELDS} fields, and here are {len(fields)}")
    domain, subdomains, path, secure, expires, name, value = (field.strip() for field in fields)
    if subdomains.upper() not in FLAGS or secure.upper() not in FLAGS:
        raise ValueError("the second and the fourth field must be TRUE or FALSE")
    return Cookie(
        domain=_domain(domain),
        path=path or "/",
        name=name,
        value=value,
        secure=FLAGS[secure.upper()],
        http_only=is_http_only,
        host_only=not (FLAGS[subdomains.upper()] or domain.startswith(".")),
        expires=_expiry(expires, "the fifth field"),
    )


def _from_json(text: str) -> Iterator[Making]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidCookies(f"Line {error.lineno}: this is not JSON ({error.msg}).") from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raise InvalidCookies("This is not the JSON of cookies.") from None
    listed = found.get("cookies") if isinstance(found, dict) else found
    if not isinstance(listed, list):
        raise InvalidCookies("This JSON has no list of cookies.")
    for number, values in enumerate(listed, start=1):
        yield f"Cookie {number}", partial(_of_values, values)


def _of_values(values: Any) -> Cookie:
    """Make a cookie of an entry. The names are those of Chrome's API, which extensions share."""
    if not isinstance(values, dict):
        raise ValueError("it is not an object")
    domain = _text(values, "domain")
    is_host_only = values.get("hostOnly")
    expires = next((values[key] for key in ("expirationDate", "expires") if key in values), None)
    return Cookie(
        domain=_domain(domain),
        path=_text(values, "path") if values.get("path") else "/",
        name=_text(values, "name"),
        value=_text(values, "value"),
        secure=values.get("secure") is True,
        http_only=values.get("httpOnly") is True,
        host_only=not domain.startswith(".") if is_host_only is None else is_host_only is True,
        expires=None if values.get("session") is True else _expiry(expires, "its expiry"),
    )


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise ValueError(f"it has no {key}" if value is None else f"its {key} is not a text")
    return value


def _domain(text: str) -> str:
    return text.strip("[]").lower().removeprefix(".")


def _expiry(value: Any, what: str) -> int | None:
    """Parse a time in seconds or milliseconds; 0, less, and nothing are a cookie of a session."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        seconds = int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} is not a time in seconds") from None
    if seconds >= FIRST_MILLISECONDS:
        seconds //= 1000
    return min(seconds, LAST_SECOND) if seconds > 0 else None


def _listed(domains: tuple[str, ...]) -> str:
    more = len(domains) - MAX_NAMED_DOMAINS
    named = ", ".join(domains[:MAX_NAMED_DOMAINS])
    return f"{named} and {more} more" if more > 0 else named
