"""Options as they come in, and what becomes of them: one table for every entrance.

`VALUES`: option, a value as JSON or a text, its stored form. `WRONG_VALUES`: option, value, the
sentence that refuses it. `CONTRADICTIONS`: options, the one that is refused, the sentence.
"""

from typing import Any

Value = tuple[str, Any, Any]

QUALITIES = ["best", "2160p", "1440p", "1080p", "720p", "480p", "360p"]
SOUND = ["best", "m4a", "mp3", "opus", "flac"]
CONTAINERS = ["auto", "mp4", "mkv", "webm"]
EMBEDDABLE = ["subtitles", "thumbnail", "chapters", "metadata"]
EXTRAS = ["nfo", "poster", "info"]


def _as_they_are(name: str, values: list[Any]) -> list[Value]:
    return [(name, value, value) for value in values]


VALUES: list[Value] = [
    *_as_they_are("quality", QUALITIES),
    *_as_they_are("audio", [*SOUND, None]),
    ("audio", "none", None),
    *_as_they_are("container", CONTAINERS),
    *[
        (name, given, stored)
        for name in ("compatible", "automatic_captions", "thumbnail", "check")
        for given, stored in [(True, True), (False, False), ("true", True), ("false", False)]
    ],
    ("subtitles", [], []),
    ("subtitles", "none", []),
    ("subtitles", ["en", "es-419"], ["en", "es-419"]),
    ("subtitles", "zh-Hans, en-orig  en", ["zh-Hans", "en-orig", "en"]),
    ("subtitles", ["de", "en", "de"], ["de", "en"]),
    ("subtitles", "all", ["all"]),
    ("subtitles", "en,all", ["all"]),
    *[("embed", [each], [each]) for each in EMBEDDABLE],
    ("embed", "metadata,subtitles", ["subtitles", "metadata"]),
    ("embed", ["chapters", "chapters"], ["chapters"]),
    ("embed", "none", []),
    *_as_they_are("sponsorblock", ["off", "mark", "remove"]),
    ("clip", None, None),
    ("clip", "none", None),
    ("clip", "0-", None),
    ("clip", "90-240", "90-240"),
    ("clip", "1:30-4:00", "90-240"),
    ("clip", "090-0:04:00.000", "90-240"),
    ("clip", "1:02:03.5-", "3723.5-"),
    ("clip", "0-0.125", "0-0.125"),
    ("clip", "90:00-", "5400-"),
    *_as_they_are("live", ["wait", "now", "refuse"]),
    *_as_they_are("playlist", ["ask", "all", "new", "no", "first:1", "first:10000"]),
    ("playlist", "first:007", "first:7"),
    ("rate_limit", None, None),
    ("rate_limit", "none", None),
    ("rate_limit", 1024, 1024),
    ("rate_limit", "2097152", 2097152),
    ("rate_limit", "2M", 2097152),
    ("rate_limit", "500 k", 512000),
    ("rate_limit", "1.5MiB", 1572864),
    ("start_at", None, None),
    ("start_at", "none", None),
    ("start_at", "2126-11-29T03:00:00Z", "2126-11-29T03:00:00Z"),
    ("start_at", "2126-11-29T03:00+01:00", "2126-11-29T02:00:00Z"),
    ("start_at", "2126-11-29 03:00:59.9Z", "2126-11-29T03:00:59Z"),
    *[("extras", [each], [each]) for each in EXTRAS],
    ("extras", "info,nfo", ["nfo", "info"]),
]


def _none_of(words: list[str]) -> str:
    return f"is not one of {', '.join(words)}."


_NO_SPAN = "is not START-END, as 90-240, 1:30-4:00 or 90-."
_NO_RATE = "is not a number of bytes a second, as 500K, 2M or 2097152."
_NO_INSTANT = "is not an instant with its zone, as 2026-11-29T03:00+01:00."
_NO_LANGUAGE = "is not a language as en, es-419 or all."
_PLAYLIST = ["ask", "all", "new", "no", "first:N"]

WRONG_VALUES: list[Value] = [
    (name, value, f"{value!r} {sentence}")
    for name, values, sentence in [
        ("quality", ["900p", "BEST", " best", 720, True, 1.5, ["best"]], _none_of(QUALITIES)),
        ("audio", ["wav", False, 0, ["mp3"]], _none_of(SOUND)),
        ("container", ["avi", "MP4", None, {"a": 1}], _none_of(CONTAINERS)),
        ("compatible", ["yes", "True", 1, None, []], _none_of(["true", "false"])),
        ("thumbnail", ["on", 0], _none_of(["true", "false"])),
        ("subtitles", [7, None, ["en", 7], {"en": 1}], "is not a list of words."),
        ("embed", [True, ["chapters", None]], "is not a list of words."),
        ("sponsorblock", ["on", False, None], _none_of(["off", "mark", "remove"])),
        (
            "clip",
            ["90", "-90", "90-240-300", "1:60-2:00", "a-b", "\u0663-\u0665", 90, ["1-2"]],
            _NO_SPAN,
        ),
        ("clip", ["240-90", "90-90", "1:30-90"], "ends before it starts."),
        ("clip", ["1e3-2e3", "1.2345-3"], _NO_SPAN),
        ("live", ["later", None], _none_of(["wait", "now", "refuse"])),
        ("playlist", ["first", "none", None, 10], _none_of(_PLAYLIST)),
        (
            "playlist",
            ["first:", "first:0", "first:10001", "first:-1", "first:\u0663", "first:1.5"],
            "needs a number from 1 to 10,000.",
        ),
        ("rate_limit", ["fast", "2T", "-2M", "1K5", True, 1.5, [2048]], _NO_RATE),
        ("start_at", ["2026-11-29T03:00", "tomorrow", "", 1790000000, True], _NO_INSTANT),
        ("start_at", ["0001-01-01T00:00+14:00"], _NO_INSTANT),
        ("extras", [False], "is not a list of words."),
    ]
    for value in values
] + [
    *[
        ("rate_limit", value, f"{value!r} is not from 1K to 1024G bytes a second.")
        for value in (1023, 0, -1, "1023", "0.5K", "1025G")
    ],
    *[
        ("subtitles", [each], f"{each!r} {_NO_LANGUAGE}")
        for each in ("", "e", "en_US", ".*", "-en")
    ],
    ("subtitles", "en,de!", f"'de!' {_NO_LANGUAGE}"),
    (
        "subtitles",
        [f"a{chr(98 + n)}" for n in range(21)],
        "At most 20 languages can be chosen, or all.",
    ),
    ("embed", ["chapters", "lyrics"], f"'lyrics' {_none_of(EMBEDDABLE)}"),
    ("extras", "nfo,exe", f"'exe' {_none_of(EXTRAS)}"),
]

CONTRADICTIONS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"container": "webm", "compatible": True},
        "compatible",
        "H.264 and AAC do not go into webm: choose another container.",
    ),
    (
        {"container": "webm", "embed": ["thumbnail"]},
        "embed",
        "A thumbnail cannot be put into webm: choose another container.",
    ),
    (
        {"embed": ["subtitles"]},
        "embed",
        "Choose the languages of the subtitles that are to be embedded.",
    ),
    (
        {"embed": ["subtitles"], "subtitles": ["en"], "audio": "mp3"},
        "embed",
        "Subtitles cannot be put into mp3.",
    ),
    (
        {"automatic_captions": True},
        "automatic_captions",
        "Choose the languages of the captions under subtitles.",
    ),
    (
        {"clip": "10-20", "sponsorblock": "mark"},
        "sponsorblock",
        "SponsorBlock knows the times of the whole video, not of a part.",
    ),
]
