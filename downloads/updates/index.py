"""Asks a package index what wheels there are (PEP 691), and fetches one by its hash."""

import hashlib
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import requests
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from downloads.updates.refusal import Interrupted, Refused

JSON = "application/vnd.pypi.simple.v1+json"
ANSWER_TIMEOUT_SECONDS = (10, 30)  # to connect; between two blocks
FETCH_TIMEOUT_SECONDS = 900  # of one file
BLOCK_BYTES = 2**16
MAX_PAGE_BYTES = 2**26
MAX_WHEEL_BYTES = 2**28
PYTHON = ".".join(map(str, sys.version_info[:3]))


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One file of the index that this machine can use."""

    package: str
    version: Version
    file: str
    url: str
    sha256: str
    size_bytes: int  # as the index says; 0: it does not


class Index:
    """One package index. Nothing is asked of it before a method is called."""

    def __init__(self, url: str, *, should_stop: Callable[[], bool]) -> None:
        """`should_stop` is asked between blocks; when it says so, Interrupted is raised."""
        self._url = url.rstrip("/") + "/"
        self._should_stop = should_stop

    def wheels(self, package: str) -> list[Wheel]:
        """Return the wheels of a package that this machine can use, the newest first.

        Yanked ones, and those without a hash, are left out. Raises Refused.
        """
        page = urljoin(self._url, f"{package}/")
        content = bytearray()
        for block in self._blocks(page, accept=JSON, most_bytes=MAX_PAGE_BYTES):
            content += block
        try:
            files = json.loads(content)["files"]
            tags = frozenset(sys_tags())
            found = [_wheel(package, file, page=page, tags=tags) for file in files]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{type(error).__name__} in {page}"
            raise Refused("bad_index", message=message) from error
        return sorted(
            (wheel for wheel in found if wheel), key=lambda wheel: wheel.version, reverse=True
        )

    def newest(self, package: str, needs: SpecifierSet, *, prereleases: bool = False) -> Wheel:
        """Return the newest wheel within these versions. Raises Refused."""
        return self._within(package, needs, prereleases=prereleases)[0]

    def oldest(self, package: str, needs: SpecifierSet) -> Wheel:
        """Return the oldest wheel within these versions. Raises Refused."""
        return self._within(package, needs, prereleases=False)[-1]

    def _within(self, package: str, needs: SpecifierSet, *, prereleases: bool) -> list[Wheel]:
        found = [
            wheel
            for wheel in self.wheels(package)
            if needs.contains(wheel.version, prereleases=prereleases)
        ]
        if not found:
            raise Refused("no_release", needs=f"{package}{needs}")
        return found

    def fetch(self, wheel: Wheel, into: IO[bytes]) -> None:
        """Write a wheel into an open file. Raises Refused when it is not what the index says."""
        digest, size_bytes = hashlib.sha256(), 0
        most_bytes = wheel.size_bytes or MAX_WHEEL_BYTES
        for block in self._blocks(wheel.url, accept="*/*", most_bytes=most_bytes):
            digest.update(block)
            size_bytes += len(block)
            into.write(block)
        is_whole = wheel.size_bytes in (0, size_bytes)
        if digest.hexdigest() != wheel.sha256 or not is_whole:
            raise Refused("wrong_hash", file=wheel.file)

    def _blocks(self, url: str, *, accept: str, most_bytes: int) -> Iterator[bytes]:
        give_up_at = time.monotonic() + FETCH_TIMEOUT_SECONDS
        with _in_words(), self._answer(url, accept) as answer:
            received = 0
            for block in answer.iter_content(BLOCK_BYTES):
                received += len(block)
                if self._should_stop():
                    raise Interrupted
                if received > most_bytes:
                    raise Refused("bad_index", message=f"{url} is longer than {most_bytes} bytes")
                if time.monotonic() > give_up_at:
                    raise Refused("unreachable", message=f"{url} comes too slowly")
                yield block

    def _answer(self, url: str, accept: str) -> requests.Response:
        self._require_safe(url)
        # Wheels are compressed: a length and a hash are of what is sent.
        encoding = "gzip" if accept == JSON else "identity"
        headers = {"User-Agent": "vnsite", "Accept": accept, "Accept-Encoding": encoding}
        answer = requests.get(url, headers=headers, stream=True, timeout=ANSWER_TIMEOUT_SECONDS)
        for each in (*answer.history, answer):
            self._require_safe(each.url)
        if answer.status_code != requests.codes.ok:
            answer.close()
            raise Refused("unreachable", message=f"{url} answers {answer.status_code}")
        return answer

    def _require_safe(self, url: str) -> None:
        """Refuse to leave https, also after a redirect, when the index itself is asked by it."""
        scheme = urlsplit(url).scheme
        if scheme != "https" and (scheme != "http" or self._url.startswith("https:")):
            raise Refused("bad_index", message=f"{url} is not https")


def _wheel(package: str, file: dict[str, Any], *, page: str, tags: frozenset[Tag]) -> Wheel | None:
    """Return None for a file that this machine cannot use. Raises as the parsing of JSON does."""
    try:
        name, version, _, wheel_tags = parse_wheel_filename(file["filename"])
        pythons = SpecifierSet(file.get("requires-python") or "")
    except (InvalidWheelFilename, InvalidSpecifier):
        return None
    sha256, size = file["hashes"].get("sha256"), file.get("size")
    is_usable = (
        name == canonicalize_name(package)
        and sha256
        and not file.get("yanked")
        and wheel_tags & tags
        and pythons.contains(PYTHON, prereleases=True)
    )
    if not is_usable:
        return None
    return Wheel(
        package=package,
        version=version,
        file=str(file["filename"]),
        url=urljoin(page, file["url"]),
        sha256=str(sha256),
        size_bytes=size if isinstance(size, int) else 0,
    )


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what requests raises into Refused; its own words name objects, not the reason."""
    try:
        yield
    except requests.Timeout as error:
        raise Refused("unreachable", message="no answer in time") from error
    except requests.RequestException as error:
        raise Refused("unreachable", message=_reason_of(error)) from error


def _reason_of(error: BaseException) -> str:
    """Return what the system said, at the bottom of a chain of exceptions."""
    inner: BaseException | None = error
    reason = type(error).__name__
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted, {inner.verify_message}"
        if isinstance(inner, OSError) and inner.strerror:
            reason = inner.strerror
        inner = inner.__cause__ or inner.__context__
    return reason
