"""The sentences for the codes and numbers that a transition or an error stores.

They are made when they are shown. Only `message` is stored as text, because others wrote it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from downloads.rules.options import OPTIONS
from downloads.rules.states import Stop
from downloads.web.actors import actor_in_words

CODES = {
    "no_room": "The disk ran full while it was downloading.",
    "worker_stopped": "The worker stopped in the last attempt.",
    "wrote_too_much": "It wrote more than the limit of what may be written.",
    "without_sound": "The site offers it without sound.",
    "in_a_list": "The link names a list as well.",
    "list_limit": "The reading of the list stopped at the limit.",
    "list_repeats": "The list repeats itself: the reading stopped there.",
    "list_known": "The reading of the list stopped where nothing more was new.",
    "child_ended": "The download process ended without a result.",
}

# Why a recording ended.
STOPS: dict[str, str] = {
    Stop.ENDED: "The stream ended.",
    Stop.SILENT: "The stream brought nothing more.",
    Stop.ASKED: "It was stopped and kept.",
    Stop.TIME: "The recording reached its longest time.",
    Stop.SIZE: "The recording reached its largest size.",
    Stop.SPACE: "The recording ended before the disk was full.",
    Stop.LOST: "After an interruption the site did not offer the stream any more.",
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
    "recorded_seconds": "{} s recorded",
    "gaps": "gaps: {}",
    "missed_segments": "segments missed: at least {}",
    "starts_at": "It starts at {}.",
    "entries": "entries: {}",
    "added": "added: {}",
    "not_added": "not added: {}",
    "left_out": "left out, without a link that can be downloaded: {}",
    "changed": "Options changed: {}",
}
# What a video came without; each is one of `warnings`.
WARNINGS = {
    "no_subtitles": "There are no subtitles in “{language}”; there are: {offered}.",
    "no_subtitles_at_all": "There are no subtitles.",
    "too_many_subtitles": "{number} more subtitles were left out.",
    "not_fetched_subtitles": "The subtitles in “{language}” were not fetched: {reason}.",
    "not_fetched_thumbnail": "The thumbnail was not fetched: {reason}.",
    "not_compatible": "The site has no H.264 and AAC.",
    "whole_recording": "A recording is not cut: it is kept whole.",
    "not_fetched_sponsorblock": "SponsorBlock did not answer.",
    "not_embedded": "The {what} could not be put into the file.",
    "not_embedded_container": "The {what} cannot be put into {container}.",
}
# Why, where the class of the error does not say it.
REASONS = {
    "not_subtitles": "the site sent something else",
    "not_picture": "the site sent something else",
    "unavailable": "the site does not have it",
    "forbidden": "the site refused it",
    "stalled": "it did not come in time",
    "policy_blocked": "its address is not allowed",
}
ARE_BYTES = frozenset({"bytes_per_second", "freed_bytes", "resumed_bytes", "kept_bytes"})
ARE_INSTANTS = frozenset({"starts_at"})


def plain_bytes(number: int) -> str:
    return f"{number} bytes"


def detail_of(data: Mapping[str, Any], *, write_bytes: Callable[[int], str] = plain_bytes) -> str:
    """Return one line for each key that has a sentence. Other keys say nothing."""
    lines = [CODES[data["code"]]] if data.get("code") in CODES else []
    lines += [STOPS[data["stopped"]]] if data.get("stopped") in STOPS else []
    for key, sentence in SENTENCES.items():
        if key in data:
            lines.append(sentence.format(_written(key, data[key], write_bytes)))
    return "\n".join([*lines, *warnings_of(data)])


def warnings_of(data: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each warning that is known."""
    known = ((_key_of(each), each) for each in data.get("warnings", []))
    return [WARNINGS[key].format_map(_in_words(each)) for key, each in known if key in WARNINGS]


def _in_words(warning: Mapping[str, Any]) -> dict[str, Any]:
    """Write the codes of a warning as its sentence has them."""
    reason, offered = str(warning.get("reason", "")), str(warning.get("offered", ""))
    return {
        **warning,
        "reason": REASONS.get(reason, reason.replace("_", " ")),
        "offered": offered.replace(" ", ", "),
    }


def _key_of(warning: Mapping[str, Any]) -> str:
    code = str(warning.get("code"))
    if code == "no_subtitles" and not warning.get("offered"):
        return "no_subtitles_at_all"
    if code == "not_embedded" and "container" in warning:
        return "not_embedded_container"
    return f"{code}_{warning.get('what')}" if code == "not_fetched" else code


def _written(key: str, value: Any, write_bytes: Callable[[int], str]) -> Any:
    if key in ARE_BYTES:
        return write_bytes(value)
    if key == "changed":
        return ", ".join(OPTIONS[name].label for name in value.split() if name in OPTIONS)
    if key == "asked_by":
        return actor_in_words(value)
    if key in ARE_INSTANTS:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"
    return value
