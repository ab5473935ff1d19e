import pytest

from downloads.rules.archive import (
    MAX_MEDIA_ID_LENGTH,
    MAX_NAMED_FAULTS,
    InvalidArchive,
    MediaId,
    media_ids_in,
)


def faults_of(*lines: bytes) -> list[str]:
    with pytest.raises(InvalidArchive) as refused:
        media_ids_in(lines)
    return refused.value.faults


def test_each_line_is_a_video() -> None:
    lines = [b"youtube dQw4w9WgXcQ\n", b"vimeo 76979871\n"]

    assert media_ids_in(lines) == [MediaId("youtube", "dQw4w9WgXcQ"), MediaId("vimeo", "76979871")]


@pytest.mark.parametrize(
    "line",
    [
        b"\xef\xbb\xbfyoutube abc",  # Notepad
        b"youtube abc\r\n",
        b"  youtube abc ",
        b"Youtube abc",
    ],
)
def test_a_line_is_read_as_yt_dlp_means_it(line: bytes) -> None:
    assert media_ids_in([line]) == [("youtube", "abc")]


def test_an_id_may_have_spaces() -> None:
    assert media_ids_in([b"generic a b c\n"]) == [("generic", "a b c")]


def test_empty_and_repeated_lines_count_once() -> None:
    assert media_ids_in([b"\n", b"youtube abc\n", b" \r\n", b"youtube abc\n"]) == [
        ("youtube", "abc")
    ]


def test_what_is_written_is_read_again() -> None:
    media = [MediaId("youtube", "abc"), MediaId("generic", "ä b")]

    assert media_ids_in(each.line.encode() for each in media) == media


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"youtube", "a site and an id are expected, with a space between them"),
        (b"https://example.org/watch", "a site and an id are expected, with a space between them"),
        (b"youtube a\0b", "there is a control character in it"),
        (b"youtube \xff", "it is not UTF-8"),
        (b"youtube " + b"a" * (MAX_MEDIA_ID_LENGTH + 1), "a site has at most 100 characters"),
        (b"a" * 101 + b" b", "a site has at most 100 characters"),
    ],
)
def test_a_wrong_line_is_named_with_its_reason(line: bytes, reason: str) -> None:
    (fault,) = faults_of(b"youtube abc\n", b"\n", line)

    assert fault.startswith(f"Line 3: {reason}")


def test_of_many_wrong_lines_the_first_are_named_and_the_others_counted() -> None:
    faults = faults_of(*[b"wrong"] * (MAX_NAMED_FAULTS + 1000))

    assert len(faults) == MAX_NAMED_FAULTS + 1
    assert faults[-1] == "And 1,000 more."


def test_more_lines_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("downloads.rules.archive.MAX_LINES", 2)

    assert "more than 2 lines" in faults_of(b"a 1", b"a 2", b"a 3")[0]
