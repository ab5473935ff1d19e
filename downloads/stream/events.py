"""The events of the stream, byte for byte. Knows neither rows nor who listens."""

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

HEARTBEAT_SECONDS = 15
# After a restart every browser connects again: spread over these, they do not come at once.
RETRY_MILLISECONDS = (1000, 5000)


class Resync(StrEnum):
    """Why a listener must load its data again."""

    GAP = "gap"  # it was too slow, or something that it missed is not kept
    UNKNOWN = "unknown"  # its last id is not one of ours


class Bye(StrEnum):
    """Why the stream ends. The listener may connect again at once."""

    AGE = "age"
    SHUTDOWN = "shutdown"
    SIGNED_OUT = "signed_out"


def encode(event: str, data: object, *, seq: int | None = None) -> bytes:
    """Return one event as bytes. The browser remembers `seq`, if given, as its last id."""
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {event}\n".encode() + b"data: " + to_json(data) + b"\n\n"


def to_json(data: object) -> bytes:
    """Return compact JSON on one line; instants become ISO 8601 UTC."""
    return json.dumps(data, separators=(",", ":"), default=_instant).encode()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def hello(*, seq: int, now: datetime) -> bytes:
    """Return the first event; `seq` is the newest there is."""
    return encode("hello", {"seq": seq, "now": now, "heartbeat": HEARTBEAT_SECONDS})


def greeting(*, seq: int, now: datetime) -> bytes:
    """Return the beginning of every stream: how long to wait before a reconnection, and hello."""
    pause = random.randint(*RETRY_MILLISECONDS)  # noqa: S311
    return f"retry: {pause}\n\n".encode() + hello(seq=seq, now=now)


def heartbeat(*, seq: int, now: datetime, is_stale: bool) -> bytes:
    """Show that the stream lives, and move the last id past what this listener may not see.

    Stale: the database does not answer; what happens meanwhile is sent when it is back.
    """
    return encode("heartbeat", {"now": now, "stale": is_stale}, seq=seq)


def progress(reports: Iterable[bytes]) -> bytes:
    """Join encoded reports to one event; no reports make no event."""
    objects = b",".join(reports)
    return b"event: progress\ndata: [" + objects + b"]\n\n" if objects else b""


def deleted(correlation_ids: Iterable[str], *, seq: int) -> bytes:
    """Say which downloads are gone; `seq` is that of the last."""
    return encode("deleted", {"correlation_ids": list(correlation_ids)}, seq=seq)


def resync(why: Resync) -> bytes:
    return encode("resync", {"why": why})


def bye(why: Bye) -> bytes:
    return encode("bye", {"why": why})
