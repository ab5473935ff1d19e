"""Why there is no newer set: codes with their data, and the sentences for them."""

import time
from collections.abc import Mapping
from typing import Any

from downloads.rules.redaction import safe_text
from downloads.rules.words import marked, translated
from downloads.updates.parts import PARTS

MAX_MESSAGE_LENGTH = 500

SENTENCES = {
    "off": marked("Updates of yt-dlp are off (VNSITE_EXTRACTORS_UPDATE)."),
    "busy": marked("Another update is at work."),
    "nothing_before": marked("There is no earlier yt-dlp to go back to."),
    "unreachable": marked("The package index cannot be asked: {message}."),
    "bad_index": marked("The package index answered something else than expected: {message}."),
    "no_release": marked("The package index has no {needs} for this machine."),
    "wrong_hash": marked("{file} is not the file that the package index describes."),
    "bad_wheel": marked("{file} cannot be unpacked: {message}."),
    "needs": marked("yt-dlp {version} needs {needs}, and {present} is installed: update vnsite."),
    "no_room": marked("There is no room for it: {message}."),
    "no_process": marked("It cannot be tried: {message}."),
    "storage": marked("{path} cannot be written: {message}."),
    "not_compiled": marked("yt-dlp {version} cannot be compiled: {message}."),
    "not_built": marked("yt-dlp {version} does not start: {message}."),
    "part_missing": marked("yt-dlp {version} has no {part} any more: {use}."),
    "not_matched": marked("yt-dlp {version} does not recognise {url}."),
    "no_runtime": marked("The scripts of yt-dlp {version} do not run in deno: {message}."),
    "not_fetched": marked("yt-dlp {version} does not fetch {file} of the trial: {message}."),
    "given_up": marked(
        "yt-dlp {version} did not start any more: {message}. {instead} is used instead."
    ),
}
# The set itself is at fault: it is not taken again unless somebody asks for it.
OF_THE_SET = frozenset(
    {
        *("wrong_hash", "bad_wheel", "needs", "not_compiled", "not_built", "part_missing"),
        *("not_matched", "no_runtime", "not_fetched", "given_up"),
    }
)


class Refused(Exception):
    """There is no newer set. The message is the sentence for `code` and `data`."""

    def __init__(self, code: str, **data: str) -> None:
        self.code = code
        self.data = {
            key: safe_text(value[: 4 * MAX_MESSAGE_LENGTH])[:MAX_MESSAGE_LENGTH]
            for key, value in data.items()
        }
        super().__init__(sentence_of({"code": code, **self.data}))

    @property
    def failure(self) -> dict[str, Any]:
        """It as it is stored, with the present instant."""
        return {"code": self.code, "at": time.time(), **self.data}


class Interrupted(Exception):
    """The worker stops: nothing was changed, and the next one begins anew."""


def sentence_of(failure: Mapping[str, Any]) -> str:
    """Return the sentence for a failure that was stored: its code, and its data beside it."""
    data = {key: str(value).rstrip(".") for key, value in failure.items()}
    data.setdefault("use", PARTS.get(data.get("part", ""), ""))
    sentence = SENTENCES.get(data.get("code", ""), marked("It failed ({code})."))
    return translated(sentence).format_map(_OrUnknown(data))


class _OrUnknown(dict[str, str]):
    """Another version of vnsite may have stored other data."""

    def __missing__(self, key: str) -> str:
        return "?"
