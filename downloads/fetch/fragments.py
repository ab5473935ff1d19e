"""Checks that every fragment of a stream has the format of the first one.

An error page, or meaningless bytes, can arrive in a fragment's place with status 200 and the
announced length. In the middle of a file ffmpeg does not report them.
"""

import io
from collections.abc import Callable
from typing import Any

from downloads.disk.containers import MATROSKA, container_of
from downloads.fetch.verify import Incomplete


def of_one_kind(append: Callable[..., None]) -> Callable[..., None]:
    """Wrap the function that appends a decrypted fragment to the file.

    It raises Incomplete for a fragment that is not media when the first one was. In Matroska only
    the first fragment has a known beginning.
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
