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
from downloads.rules.words import say, say_number

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
        """Say in sentences what is not kept; "" when all is."""
        sentences = []
        if self.expired:
            sentences.append(
                say_number("{number} has expired.", "{number} have expired.", number=self.expired)
            )
        if self.unsendable:
            sentences.append(
                say_number(
                    "No request can carry {number} of them.",
                    "No request can carry {number} of them.",
                    number=self.unsendable,
                )
            )
        if self.other_domains:
            sentences.append(
                say("Those of {domains} are of another site.", domains=_listed(self.other_domains))
            )
        return " ".join(sentences)


def read_cookies(text: str, *, host: str, now: float) -> PastedCookies:
    """Read the cookies of the site that `host` is of. Raises InvalidCookies.

    `now`: seconds since 1970, to tell what has expired.
    """
    if len(text.encode(errors="replace")) > MAX_TEXT_BYTES:
        raise InvalidCookies(say("The text has more than {most} KiB.", most=MAX_TEXT_BYTES // 1024))
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InvalidCookies(say("Paste the cookies, or choose a file."))
    makings = _from_json(text) if text.lstrip()[0] in "[{" else _from_lines(text)
    found = [_checked(place, make) for place, make in makings]
    if not found:
        raise InvalidCookies(say("There is no cookie in this text."))
    own = [cookie for cookie in found if cookie.belongs_to(host)]
    other_domains = tuple(sorted({each.domain for each in found if not each.belongs_to(host)}))
    living = [cookie for cookie in own if not cookie.has_expired(now)]
    sendable = [cookie for cookie in living if cookie.can_be_sent]
    kept = newest(sendable)
    if not own:
        raise InvalidCookies(
            say(
                "No cookie is of {host}: they are of {domains}.",
                host=host,
                domains=_listed(other_domains),
            )
        )
    if not kept:
        raise InvalidCookies(
            say(
                "All cookies of {host} have expired, or have no name. Sign in there, and export"
                " anew.",
                host=host,
            )
        )
    if len(kept) > MAX_COOKIES:
        raise InvalidCookies(
            say(
                "{number} cookies are of {host}. At most {most} are kept.",
                number=len(kept),
                host=host,
                most=MAX_COOKIES,
            )
        )
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
        raise InvalidCookies(say("{place}: {fault}.", place=place, fault=error)) from None
    if cookie.fault:
        raise InvalidCookies(say("{place}: {fault}.", place=place, fault=cookie.fault))
    return cookie


def _from_lines(text: str) -> Iterator[Making]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        is_http_only = line.startswith(HTTP_ONLY)
        content = line.removeprefix(HTTP_ONLY)
        if content.strip() and not content.startswith("#"):
            yield (
                say("Line {number}", number=number),
                partial(_of_line, content, is_http_only=is_http_only),
            )


def _of_line(line: str, *, is_http_only: bool) -> Cookie:
    """Make a cookie of a line. A missing last field is an empty value."""
    fields = line.split("\t")
    if len(fields) not in (FIELDS - 1, FIELDS):  # spaces instead of tabs
        fields = line.split(None, FIELDS - 1)
    if len(fields) == FIELDS - 1:
        fields.append("")
    if len(fields) != FIELDS:
        raise ValueError(
            say(
                "a cookie has {right} fields, and here are {number}",
                right=FIELDS,
                number=len(fields),
            )
        )
    domain, subdomains, path, secure, expires, name, value = (field.strip() for field in fields)
    if subdomains.upper() not in FLAGS or secure.upper() not in FLAGS:
        raise ValueError(say("the second and the fourth field must be TRUE or FALSE"))
    return Cookie(
        domain=_domain(domain),
        path=path or "/",
        name=name,
        value=value,
        secure=FLAGS[secure.upper()],
        http_only=is_http_only,
        host_only=not (FLAGS[subdomains.upper()] or domain.startswith(".")),
        expires=_expiry(expires, fault=say("the fifth field is not a time in seconds")),
    )


def _from_json(text: str) -> Iterator[Making]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidCookies(
            say(
                "Line {number}: this is not JSON ({reason}).", number=error.lineno, reason=error.msg
            )
        ) from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raise InvalidCookies(say("This is not the JSON of cookies.")) from None
    listed = found.get("cookies") if isinstance(found, dict) else found
    if not isinstance(listed, list):
        raise InvalidCookies(say("This JSON has no list of cookies."))
    for number, values in enumerate(listed, start=1):
        yield say("Cookie {number}", number=number), partial(_of_values, values)


def _of_values(values: Any) -> Cookie:
    """Make a cookie of an entry. The names are those of Chrome's API, which extensions share."""
    if not isinstance(values, dict):
        raise ValueError(say("it is not an object"))
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
        expires=None
        if values.get("session") is True
        else _expiry(expires, fault=say("its expiry is not a time in seconds")),
    )


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        if value is None:
            raise ValueError(say("it has no {name}", name=key))
        raise ValueError(say("its {name} is not a text", name=key))
    return value


def _domain(text: str) -> str:
    return text.strip("[]").lower().removeprefix(".")


def _expiry(value: Any, *, fault: str) -> int | None:
    """Parse a time in seconds or milliseconds; 0, less, and nothing are a cookie of a session.

    Raises ValueError with `fault` when it is no time.
    """
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        seconds = int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(fault) from None
    if seconds >= FIRST_MILLISECONDS:
        seconds //= 1000
    return min(seconds, LAST_SECOND) if seconds > 0 else None


def _listed(domains: tuple[str, ...]) -> str:
    more = len(domains) - MAX_NAMED_DOMAINS
    named = ", ".join(domains[:MAX_NAMED_DOMAINS])
    return say("{names} and {number} more", names=named, number=more) if more > 0 else named
