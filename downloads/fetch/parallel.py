"""Fragments of a stream fetched several at once: each answer takes its time to begin.

yt-dlp does that in threads, if it is asked to, and appends them in their order in the main thread.
Its own state, and ours behind its hooks, are for one thread at a time.
"""

import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

AT_ONCE = "concurrent_fragment_downloads"  # of yt-dlp's parameters

_turn = threading.RLock()  # within a report on a fragment is the one on the whole


def where_it_may(download: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap the function that fetches all fragments: some come one after the other.

    Pieces of one file are cut out of one answer, which is read on from piece to piece.
    """

    def fetch(
        self: Any, ctx: dict[str, Any], fragments: Iterable[dict[str, Any]], *info: Any, **how: Any
    ) -> bool:
        fragments = list(fragments)
        if any(each.get("byte_range") for each in fragments):
            self.params = {**self.params, AT_ONCE: 1}
        return download(self, ctx, fragments, *info, **how)

    return fetch


def apart(download: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap the function that fetches one fragment: when it is missing, yt-dlp closes the file to
    which the main thread still appends those before it."""

    def fetch(self: Any, ctx: dict[str, Any], *arguments: Any) -> bool:
        if threading.current_thread() is not threading.main_thread():
            ctx["dest_stream"] = io.BytesIO()  # `ctx` is this fragment's own copy
        return download(self, ctx, *arguments)

    return fetch


def in_turn(report: Callable[..., None]) -> Callable[..., None]:
    """Wrap the function that calls the hooks of progress: one thread at a time."""

    def call(self: Any, *arguments: Any) -> None:
        with _turn:
            report(self, *arguments)

    return call
