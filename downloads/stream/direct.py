"""The way of a stream's bytes past the tasks and queues of ASGI, where the server offers it."""

from typing import Protocol

EXTENSION = "vnsite.direct"  # in the scope's "extensions": a Direct


class Chunk:
    """Whole events, and the same as a chunk of HTTP/1.1: made once for all who get them."""

    __slots__ = ("body", "framed")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.framed = b"%x\r\n%b\r\n" % (len(body), body)


class Direct(Protocol):
    """The connection of one answer whose body has begun. Only for the event loop."""

    @property
    def has_room(self) -> bool:
        """Whether what was written before has left, but for a little."""

    def write_chunk(self, chunk: Chunk) -> None:
        """Write at once. After the end of the connection it does nothing."""
