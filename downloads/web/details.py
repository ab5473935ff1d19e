"""The sentences for what a transition or an error stores as codes and numbers.

Made when they are shown. Only `message` is a stored text: somebody else's, as they said it.
"""

from collections.abc import Callable, Mapping
from typing import Any

CODES = {
    "no_room": "The disk ran full while it was downloading.",
    "worker_stopped": "The worker stopped in the last attempt.",
    "wrote_too_much": "It wrote more than the limit of what may be written.",
    "without_sound": "The site offers it without sound.",
    "child_ended": "The download process ended without a result.",
}

SENTENCES = {
    "message": "{}",
    "signal": "The download process was killed by {}.",
    "status": "The download process exited with {}.",
    "silent_seconds": "No bytes for {} s.",
    "after_seconds": "Not done after {} s.",
    "bytes_per_second": "Only {} a second came.",
    "freed_bytes": "{} freed",
    "resumed_bytes": "{} came from an earlier attempt",
    "kept_bytes": "{} kept for the next attempt",
    "asked_by": "asked by {}",
}
ARE_BYTES = frozenset({"bytes_per_second", "freed_bytes", "resumed_bytes", "kept_bytes"})


def plain_bytes(number: int) -> str:
    return f"{number} bytes"


def detail_of(data: Mapping[str, Any], *, write_bytes: Callable[[int], str] = plain_bytes) -> str:
    """Return one line for each thing that the data says; keys that have no sentence say nothing."""
    lines = [CODES[data["code"]]] if data.get("code") in CODES else []
    for key, sentence in SENTENCES.items():
        if key in data:
            value = data[key]
            lines.append(sentence.format(write_bytes(value) if key in ARE_BYTES else value))
    return "\n".join(lines)
