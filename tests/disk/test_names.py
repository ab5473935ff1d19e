"""Titles of any kind become names: safe everywhere, readable, not too long, inside the library."""

import ntpath
import sys
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from downloads.disk import names

FORBIDDEN = set('/\\:*?"<>|\0')
IDENTIFIER = "abcdef012345"
MAX_FILE_NAME_BYTES = 255  # of Linux' file systems

JOINER = "\u200d"
RIGHT_TO_LEFT_OVERRIDE, ZERO_WIDTH_SPACE, BYTE_ORDER_MARK = "\u202e", "\u200b", "\ufeff"
ESCAPE, BELL = "\x1b", "\x07"
FLAG, THUMB = "\U0001f1eb\U0001f1f7", "\U0001f44d\U0001f3fd"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"  # three people and two joiners
CODER = "\U0001f469\U0001f3fd\u200d\U0001f4bb"
BURNING_HEART = "\u2764\ufe0f\u200d\U0001f525"
HINDI = "\u0915\u094d\u0937\u093f"  # of letters and marks that belong together
HANGUL = "\u1112\u119e\u11ab"  # an old syllable, which has no form of one character
ZALGO = "Z" + "\u0311\u0343\u0313\u0306" * 50

hostile = st.text(
    st.sampled_from(
        "\u0065\u0301\u0308\u00e9" + FLAG + FAMILY + THUMB + HINDI + HANGUL + RIGHT_TO_LEFT_OVERRIDE
        + ZERO_WIDTH_SPACE + BYTE_ORDER_MARK + ESCAPE + BELL
        + "\u2066\u2069\u200d\u200f\ufe0f\ud800\udfff\ue000\uffff\u3164\u115f\u2028\x85\0\n\r\t"
        + "\u0628/\\:.-*?\"<>| ~$`'%CONaux019()[]"
    ),
    max_size=300,
)  # fmt: skip
devices = st.builds(
    lambda device, rest: device + rest,
    st.sampled_from(["con", "PRN", "Aux", "nul", "CONIN$", "com1", "COM\u00b2", "LPT\u00b9"]),
    st.text(st.sampled_from(". -:/x" + ZERO_WIDTH_SPACE), max_size=4),
)
titles = st.text(max_size=300) | hostile | devices


def invisible(text: str) -> str:
    """The characters of a text that no font draws, by a Unicode that knows today's emoji."""
    return "".join(regex.findall(r"[\p{C}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]", text))


def is_device(name: str) -> bool:
    """What Python knows of the names that Windows takes for devices."""
    if sys.version_info >= (3, 13):
        return ntpath.isreserved(name)
    return PureWindowsPath(name).is_reserved()


@given(titles, st.sampled_from(sorted(names.MEDIA_TYPES)), st.integers(1, 3))
def test_the_paths_of_a_title_are_safe(title: str, suffix: str, copy: int) -> None:
    entry = names.entry_name(title, IDENTIFIER, copy=copy)
    files = names.file_names(title, [suffix] * copy)

    for name in (entry, *files):
        assert 0 < len(name.encode()) <= MAX_FILE_NAME_BYTES
        assert name[0] not in "-."
        assert unicodedata.is_normalized("NFC", name)
        assert set(invisible(name)) <= {JOINER}
        assert not set(name) & FORBIDDEN
        assert not is_device(name)
        assert PureWindowsPath(name).name == name
        assert Path("/library", name).resolve().parent == Path("/library")
    assert f"[{IDENTIFIER}]" in entry
    assert all(name.endswith(suffix) for name in files)
    assert len(set(files)) == copy


@given(hostile, st.integers(0, 60))
def test_a_text_is_never_cut_inside_a_character(text: str, size: int) -> None:
    text = names.readable(text)

    shortened = names.cut(text, size)

    characters = regex.findall(r"\X", text)
    kept = regex.findall(r"\X", shortened)
    assert kept == characters[: len(kept)]
    assert len(shortened.encode()) <= size
    assert kept == characters or len("".join(characters[: len(kept) + 1]).encode()) > size


@given(titles)
def test_a_name_of_a_name_is_the_same(title: str) -> None:
    name = names.safe_name(title, fallback="video")

    assert names.safe_name(name, fallback="video") == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        # Out of the names.
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("..", "video"),
        ("C:\\Windows\\system32", "C__Windows_system32"),
        ("\\\\server\\share", "__server_share"),
        ("a\0b", "ab"),
        ("stream.mp4:hidden", "stream.mp4_hidden"),
        # Another name than it shows, or none.
        (f"invoice{RIGHT_TO_LEFT_OVERRIDE}4pm.exe", "invoice4pm.exe"),
        (f"a{ZERO_WIDTH_SPACE}b{BYTE_ORDER_MARK}c\u00ad\u2060d", "abcd"),
        ("\u3164\u115f\u2800", "video"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("\ue000\U000f0000", "video"),
        # What a terminal obeys.
        (f"{ESCAPE}]0;title{BELL}{ESCAPE}[2J", "]0;title[2J"),
        ("one\nline\rof\x85text", "one line oftext"),
        # Options and hidden files.
        ("-rf", "rf"),
        ("--exec=reboot", "exec=reboot"),
        (".bashrc", "bashrc"),
        # Devices.
        ("CON", "_CON"),
        ("aux.", "_aux"),
        ("com1.tar", "_com1.tar"),
        ("Lpt9 .x", "_Lpt9 .x"),
        ("con.con", "_con.con"),
        ("COM\u00b9.mp4", "_COM\u00b9.mp4"),
        ("conout$", "_conout$"),
        ("console", "console"),
        # Kept as it is.
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("\u0645\u0631\u062d\u0628\u0627 123", "\u0645\u0631\u062d\u0628\u0627 123"),
        (f"{THUMB} {FLAG} \u2764\ufe0f", f"{THUMB} {FLAG} \u2764\ufe0f"),
        (HINDI, HINDI),
        (f"{FAMILY} {CODER} {BURNING_HEART}", f"{FAMILY} {CODER} {BURNING_HEART}"),
        ("\U0001fae8 and \U0001fadc", "\U0001fae8 and \U0001fadc"),  # of Unicode 15 and 16
        # Joiners that join no pictures.
        (f"{JOINER}\U0001f468{JOINER}", "\U0001f468"),
        (f"\U0001f468{JOINER}a{JOINER}\U0001f468", "\U0001f468a\U0001f468"),
        (f"\U0001f468{JOINER}{JOINER}\U0001f468", "\U0001f468\U0001f468"),
        (f"\U0001f468{JOINER}\U0001f8ff", "\U0001f468"),  # reserved for a picture, assigned to none
        ("$(reboot) `id` 'x' %PATH%", "$(reboot) `id` 'x' %PATH%"),
        # One form of what looks the same.
        ("Cafe\u0301", "Caf\u00e9"),
        ("\u1100\u1161", "\uac00"),
        ("e\u200b\u0301", "\u00e9"),
    ],
)  # fmt: skip
def test_a_hostile_title(title: str, name: str) -> None:
    assert names.safe_name(title, fallback="video") == name


def test_a_flood_of_marks_is_reduced_to_what_a_writing_may_need() -> None:
    flooded = names.safe_name(ZALGO, fallback="video")

    assert flooded[0] == "Z"
    assert len(flooded) == 1 + names.MAX_MARKS


@pytest.mark.parametrize(
    "character",
    ["\u00e9", HINDI, HANGUL, THUMB, FLAG, FAMILY, CODER, BURNING_HEART, "\U0001f3ac"],
)
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_long_title_keeps_its_suffix_and_whole_characters(character: str, suffix: str) -> None:
    (name,) = names.file_names(character * 300, [suffix])

    stem = name.removesuffix(suffix)
    assert len(name.encode()) <= names.MAX_NAME_BYTES
    assert stem == character * (len(stem) // len(character))
    assert len(stem.encode()) > names.MAX_NAME_BYTES - 30


@given(titles)
@example("")
@example("...")
@example("../../etc/passwd")
@example("C:\\Windows\\system32")
@example("é" * 300)
@example("e" + "\u0301" * 500)
@example("e\u200b\u0301")
@example("\u202egnp.exe")
@example("-rf *")
def test_a_name_is_one_safe_component(title: str) -> None:
    name = names.safe_name(title, fallback="video")

    assert name
    assert len(name.encode()) <= names.MAX_NAME_BYTES
    assert not FORBIDDEN.intersection(name)
    assert name[0] not in "-. "
    assert name[-1] not in ". "
    assert name not in (".", "..")
    assert unicodedata.is_normalized("NFC", name)
    assert set(invisible(name)) <= {JOINER}
    assert Path(name).name == name


@given(titles, st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True), st.integers(1, 1000))
def test_an_entry_is_named_by_title_and_correlation_id(
    title: str, correlation_id: str, copy: int
) -> None:
    name = names.entry_name(title, correlation_id, copy=copy)

    assert f" [{correlation_id}]" in name
    assert len(name.encode()) <= names.MAX_NAME_BYTES
    assert Path(name).name == name


@given(titles, titles)
def test_folders_have_safe_names_too(title: str, site: str) -> None:
    path = names.entry_name(
        title, IDENTIFIER, site=site, date="2026-01-31", template="{site}/a {title}/{title} {id}"
    )

    folders = path.split("/")
    assert len(folders) == 3
    assert all(name and name[0] not in "-." and len(name.encode()) <= 200 for name in folders)
    assert Path("/library", path).resolve() == Path("/library", path)
    assert len(path.encode()) <= 255


@given(titles, titles)
def test_with_an_uploader_a_name_is_no_longer(title: str, uploader: str) -> None:
    template = "{date} {year} {title} ({uploader}) [{id}]"

    name = names.entry_name(
        title,
        IDENTIFIER,
        uploader=uploader,
        date="2026-01-31",
        year="2020",
        template=template,
        max_bytes=143,
    )

    assert name.startswith("2026-01-31 2020 ")
    assert name.endswith(f") [{IDENTIFIER}]")
    assert len(name.encode()) <= 143
    assert Path(name).name == name


@given(titles, titles, st.sampled_from([60, 143, 200]))
def test_an_entry_is_named_by_the_template(title: str, site: str, most: int) -> None:
    name = names.entry_name(
        title,
        IDENTIFIER,
        site=site[:10],
        date="2026-01-31",
        template="{date} {title} ({site}) [{id}]",
        max_bytes=max(most, 120),
    )

    assert name.startswith("2026-01-31 ")
    assert name.endswith(f") [{IDENTIFIER}]")
    assert len(name.encode()) <= max(most, 120)
    assert Path(name).name == name


@given(titles, st.lists(st.sampled_from([".mp4", ".m4a", ".webm"]), max_size=6))
def test_files_of_an_entry_have_different_names_and_keep_their_suffix(
    title: str, suffixes: list[str]
) -> None:
    chosen = names.file_names(title, suffixes)

    assert len({name.casefold() for name in chosen}) == len(suffixes)
    assert [Path(name).suffix for name in chosen] == suffixes
    assert all(len(name.encode()) <= names.MAX_NAME_BYTES for name in chosen)
    assert all(Path(name).name == name for name in chosen)


@given(titles)
def test_what_lies_beside_a_video_shares_its_name(title: str) -> None:
    suffixes = [".mp4", ".es-419.vtt", ".jpg", ".info.json"]

    chosen = names.file_names(title, suffixes)

    heads = {name.removesuffix(suffix) for name, suffix in zip(chosen, suffixes, strict=True)}
    assert len(heads) == 1
    assert all(len(name.encode()) <= names.MAX_NAME_BYTES for name in chosen)


@pytest.mark.parametrize(
    ("name", "media_type", "language", "suffix"),
    [
        ("subtitles0.vtt", "text/vtt", "en", ".en.vtt"),
        ("subtitles1.vtt", "text/vtt", "es-419", ".es-419.vtt"),
        ("thumbnail.jpg", "image/jpeg", "", ".jpg"),
        ("poster.jpg", "image/jpeg", "", "-poster.jpg"),
        ("movie.nfo", "text/xml", "", ".nfo"),
        ("info.json", "application/json", "", ".info.json"),
    ],
)
def test_a_file_beside_a_video_is_named_as_players_look_for_it(
    name: str, media_type: str, language: str, suffix: str
) -> None:
    assert names.suffix_beside(name, media_type=media_type, language=language) == suffix


@pytest.mark.parametrize(
    ("name", "media_type", "language"),
    [
        ("subtitles0.vtt", "text/vtt", "../../en"),
        ("subtitles0.vtt", "text/vtt", "e\u202en"),
        ("subtitles0.vtt", "text/vtt", ""),
        ("subtitles0.vtt", "text/html", "en"),
        ("thumbnail.jpg", "image/svg+xml", ""),
        ("media.mp4", "video/mp4", ""),
        ("index.html", "text/html", ""),
    ],
)
def test_nothing_else_may_lie_beside_a_video(name: str, media_type: str, language: str) -> None:
    with pytest.raises(names.NotMedia):
        names.suffix_beside(name, media_type=media_type, language=language)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A video", "A video"),
        ("  many \t\n spaces\u2003here ", "many spaces here"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("שלום עולם", "שלום עולם"),
        ("日本語のビデオ 🎬", "日本語のビデオ 🎬"),
        ("AC/DC: Back in Black?", "AC_DC_ Back in Black_"),
        ("..hidden", "hidden"),
        ("--exec", "exec"),
        ("end. . .", "end"),
        ("\u200b\u202e", "video"),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_a_title_stays_readable(title: str, name: str) -> None:
    assert names.safe_name(title, fallback="video") == name


@pytest.mark.parametrize("size", range(1, 12))
def test_a_text_is_cut_between_characters(size: int) -> None:
    text = "e\u0308\u0323" * 3  # not NFC on purpose: a letter and two marks, 5 bytes

    assert names.cut(text, size) == text[: size // 5 * 3]


@pytest.mark.parametrize("suffix", sorted(names.MEDIA_TYPES))
def test_a_file_keeps_a_suffix_of_its_media_type(suffix: str) -> None:
    media_type = names.MEDIA_TYPES[suffix]

    assert media_type.partition("/")[0] in ("video", "audio")
    assert names.suffix_of(f"a{suffix.upper()}", media_type=media_type) == suffix


@pytest.mark.parametrize(
    "name",
    ["a", "a.html", "a.svg", "a.desktop", "a.url", "a.sh", "a.mp4.exe", ".mp4", "a.mp4 ", "a.webm"],
)
def test_a_name_of_another_type_gets_the_suffix_of_its_own(name: str) -> None:
    assert names.suffix_of(name, media_type="video/mp4") == ".mp4"


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "video/x-ms-asf-unknown", ""])
def test_nothing_but_media_may_be_published(media_type: str) -> None:
    with pytest.raises(names.NotMedia, match="not a media type"):
        names.suffix_of("a.mp4", media_type=media_type)


def test_a_title_of_one_endless_character_gets_the_fallback() -> None:
    assert names.safe_name(f"\U0001f468{JOINER}" * 100 + "\U0001f468", fallback="video") == "video"
