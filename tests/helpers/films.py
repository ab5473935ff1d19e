"""A file of a scripted site that can change, cheat, and hold back in the middle."""

import re
from dataclasses import dataclass, field, replace

from downloads.disk.partial import LEAST_BYTES
from tests.helpers.scripted_site import Answer, Request

LONG_AGO = "Wed, 01 Jan 2020 00:00:00 GMT"
# With these in front any bytes are an MP4 that is as long as it says: type, index, all the rest.
BOXES = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov\0\0\0\0mdat"


@dataclass
class Film:
    """One file of a site: what proves it, and what the site can do. Tests change it meanwhile."""

    body: bytes
    etag: str = ""
    last_modified: str = ""
    knows_range: bool = True
    knows_if_range: bool = True
    hold_after: int | None = None
    is_away: bool = False
    sent: list[range] = field(default_factory=list)  # which bytes it was asked for, in order

    def __call__(self, request: Request) -> Answer:
        if self.is_away:
            return Answer(status=503)
        validators = {"ETag": self.etag, "Last-Modified": self.last_modified}
        headers = {name: value for name, value in validators.items() if value}
        start = self.start_of(request)
        if start >= len(self.body):
            return Answer(status=416, headers={"Content-Range": f"bytes */{len(self.body)}"})
        self.sent.append(range(start, len(self.body)))
        answer = Answer(
            body=self.body, media_type="video/mp4", headers=headers, hold_after=self.hold_after
        )
        if not start:
            return answer
        size = len(self.body)
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        return replace(answer, body=self.body[start:], status=206)

    def start_of(self, request: Request) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if match is None or not self.knows_range:
            return 0
        condition = request.headers.get("If-Range")
        if self.knows_if_range and condition not in (None, self.etag, self.last_modified):
            return 0
        return int(match[1])

    def sent_bytes(self) -> int:
        """How many bytes it was asked for since `sent` was emptied, the extractor's look aside."""
        return sum(len(asked) for asked in self.sent[1:])


def other(body: bytes) -> bytes:
    """Another version of the same length; wherever an attempt goes on it differs already."""
    same = LEAST_BYTES // 2
    return body[:same] + bytes(byte ^ 1 for byte in body[same:])


def changed_in_front(body: bytes) -> bytes:
    """Another version of the same length; where an attempt goes on nothing tells them apart."""
    front = len(body) // 16
    changed = bytes(byte ^ 1 for byte in body[len(BOXES) : front])
    return body[: len(BOXES)] + changed + body[front:]
