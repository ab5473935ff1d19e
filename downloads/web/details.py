"""The sentences for the codes and numbers that a transition or an error stores.

They are made when they are shown. Only `message` is stored as text, because others wrote it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from downloads.rules.options import OPTIONS
from downloads.rules.states import Stop
from downloads.web.actors import actor_in_words

CODES = {
    "no_room": _("The disk ran full while it was downloading."),
    "worker_stopped": _("The worker stopped in the last attempt."),
    "wrote_too_much": _("It wrote more than the limit of what may be written."),
    "without_sound": _("The site offers it without sound."),
    "remuxed": _("It was made of a film in the library; nothing was fetched."),
    "in_a_list": _("The link names a list as well."),
    "list_limit": _("The reading of the list stopped at the limit."),
    "list_repeats": _("The list repeats itself: the reading stopped there."),
    "list_known": _("The reading of the list stopped where nothing more was new."),
    "child_ended": _("The download process ended without a result."),
}

# Why a recording ended.
STOPS: dict[str, Promise] = {
    Stop.ENDED: _("The stream ended."),
    Stop.SILENT: _("The stream brought nothing more."),
    Stop.ASKED: _("It was stopped and kept."),
    Stop.TIME: _("The recording reached its longest time."),
    Stop.SIZE: _("The recording reached its largest size."),
    Stop.SPACE: _("The recording ended before the disk was full."),
    Stop.LOST: _("After an interruption the site did not offer the stream any more."),
}

SENTENCES = {
    "message": "%(value)s",
    "signal": _("The download process was killed by %(value)s."),
    "status": _("The download process exited with %(value)s."),
    "silent_seconds": _("No bytes for %(value)s s."),
    "after_seconds": _("Not done after %(value)s s."),
    "bytes_per_second": _("Only %(value)s a second came."),
    "freed_bytes": _("%(value)s freed"),
    "resumed_bytes": _("%(value)s came from an earlier attempt"),
    "kept_bytes": _("%(value)s kept for the next attempt"),
    "asked_by": _("asked by %(value)s"),
    "recorded_seconds": _("%(value)s s recorded"),
    "gaps": _("gaps: %(value)s"),
    "missed_segments": _("segments missed: at least %(value)s"),
    "starts_at": _("It starts at %(value)s."),
    "entries": _("entries: %(value)s"),
    "added": _("added: %(value)s"),
    "not_added": _("not added: %(value)s"),
    "left_out": _("left out, without a link that can be downloaded: %(value)s"),
    "changed": _("Options changed: %(value)s"),
}
# What a video came without; each is one of `warnings`.
WARNINGS = {
    "no_subtitles": _("There are no subtitles in “%(language)s”; there are: %(offered)s."),
    "no_subtitles_at_all": _("There are no subtitles."),
    "too_many_subtitles": _("%(number)s more subtitles were left out."),
    "not_fetched_subtitles": _("The subtitles in “%(language)s” were not fetched: %(reason)s."),
    "not_fetched_thumbnail": _("The thumbnail was not fetched: %(reason)s."),
    "not_compatible": _("The site has no H.264 and AAC."),
    "whole_recording": _("A recording is not cut: it is kept whole."),
    "not_fetched_sponsorblock": _("SponsorBlock did not answer."),
    "not_embedded": _("The %(what)s could not be put into the file."),
    "not_embedded_container": _("The %(what)s cannot be put into %(container)s."),
}
# Why, where the class of the error does not say it.
REASONS = {
    "not_subtitles": _("the site sent something else"),
    "not_picture": _("the site sent something else"),
    "unavailable": _("the site does not have it"),
    "forbidden": _("the site refused it"),
    "stalled": _("it did not come in time"),
    "policy_blocked": _("its address is not allowed"),
}
ARE_BYTES = frozenset({"bytes_per_second", "freed_bytes", "resumed_bytes", "kept_bytes"})
ARE_INSTANTS = frozenset({"starts_at"})


def plain_bytes(number: int) -> str:
    return f"{number} bytes"


def detail_of(data: Mapping[str, Any], *, write_bytes: Callable[[int], str] = plain_bytes) -> str:
    """Return one line for each key that has a sentence. Other keys say nothing."""
    lines = [str(CODES[data["code"]])] if data.get("code") in CODES else []
    lines += [str(STOPS[data["stopped"]])] if data.get("stopped") in STOPS else []
    for key, sentence in SENTENCES.items():
        if key in data:
            lines.append(str(sentence) % {"value": _written(key, data[key], write_bytes)})
    return "\n".join([*lines, *warnings_of(data)])


def warnings_of(data: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each warning that is known."""
    known = ((_key_of(each), each) for each in data.get("warnings", []))
    return [WARNINGS[key] % _in_words(each) for key, each in known if key in WARNINGS]


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
