"""Files with links are read whatever wrote them."""

import plistlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.link_files import NotAText, text_of

TEXT = "Ärger in Łódź: https://example.org/ü\r\n"
SHORTCUT = {"URL": "https://example.org/a?b=1&c=2"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_in_unicode(encoding: str) -> None:
    content = TEXT.encode(encoding)

    assert text_of(content) == TEXT


def test_a_text_that_is_not_in_unicode_is_latin_1() -> None:
    assert text_of("Müller: https://example.org/é".encode("latin-1")) == (
        "Müller: https://example.org/é"
    )


@pytest.mark.parametrize("kind", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_of_a_shortcut_of_macos_the_link_is_read(kind: plistlib.PlistFormat) -> None:
    assert text_of(plistlib.dumps(SHORTCUT, fmt=kind)) == SHORTCUT["URL"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe",
        b"bplist00\0",
        plistlib.dumps(["https://example.org/"]),
        b"<?xml version='1.0'?><plist><dict><key>URL",
        b'<!DOCTYPE p [<!ENTITY a "b">]><plist version="1.0"><string>&a;</string></plist>',
    ],
)
def test_what_is_not_a_text_is_refused(content: bytes) -> None:
    with pytest.raises(NotAText):
        text_of(content)


@given(st.binary(), st.sampled_from([b"", b"bplist00", b"<plist>", b"\xff\xfe"]))
def test_no_file_breaks_it(content: bytes, beginning: bytes) -> None:
    try:
        text_of(beginning + content)
    except NotAText:
        return
