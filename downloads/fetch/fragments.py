"""Fragments of a stream: each must be what the first one is.

A page of an error in the place of a fragment, or bytes that mean nothing, arrive with status 200
and the length that was announced. In the middle of a file ffmpeg does not say a word about them.
"""

import io
from collections.abc import Callable
from typing import Any

from downloads.disk.containers import MATROSKA, container_of
from downloads.fetch.verify import Incomplete


def of_one_kind(append: Callable[..., None]) -> Callable[..., None]:
    """Wrap what appends a fragment, when it is decrypted, to the file: raises Incomplete for one
    that is no media after a first one that was.

    Of Matroska only the first has a beginning that is known.
    """

    def checked(self: Any, ctx: dict[str, Any], content: bytes) -> None:
        if content:
            container = container_of(io.BytesIO(content))
            first = ctx.setdefault("container", container)
            is_known = first is not None and first.demuxer != MATROSKA.demuxer
            if is_known and container is None:
                number = ctx.get("fragment_index")
                raise Incomplete(f"In the place of fragment {number} came something else")
        append(self, ctx, content)

    return checked
