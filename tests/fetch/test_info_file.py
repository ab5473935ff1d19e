"""What is believed of an `.info.json` that another tool wrote, or somebody made up."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.fetch.info_file import MAX_INFO_BYTES, NotInfo, Told, read, told_by
from downloads.rules.about import about_of

FILM = Path("film.mp4")
KEYS = ("title", "id", "extractor_key", "webpage_url", "duration", "timestamp", "width", "chapters")


def told(**info: Any) -> Told:
    return told_by(info, streams=None, path=FILM)


def test_what_it_tells() -> None:
    found = told(
        id="76979871",
        extractor_key="Vimeo",
        webpage_url="https://vimeo.com/76979871#t=1",
        title="A \u202etalk",
        duration=83.6,
    )

    assert (found.extractor, found.media_id) == ("vimeo", "76979871")
    assert (found.url, found.title) == ("https://vimeo.com/76979871", "A talk")
    assert found.media["duration"] == 84


def test_a_page_that_no_extractor_knows_is_named_by_its_link() -> None:
    with_link = told(id="clip", extractor_key="Generic", webpage_url="https://example.org/clip")

    assert (with_link.extractor, len(with_link.media_id)) == ("generic", 64)
    assert told(id="clip", extractor_key="Generic").media_id == ""


@pytest.mark.parametrize("address", ["file:///etc/passwd", "javascript:1", "https://a b/", ""])
def test_what_is_no_link_is_not_taken_and_the_next_is_tried(address: str) -> None:
    found = told(webpage_url=address, original_url="https://example.org/1")

    assert found.url == "https://example.org/1"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 10**6,
        b'{"_type": "playlist"}',
        b" " * (MAX_INFO_BYTES + 1),
    ],
)
def test_what_is_not_of_one_video_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "film.info.json"
    file.write_bytes(content)

    with pytest.raises(NotInfo):
        read(file)


def test_a_link_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")

    for name in ("link.json", "nowhere.json"):
        with pytest.raises(NotInfo):
            read(tmp_path / name)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(info=st.dictionaries(st.sampled_from(KEYS), values))
def test_nothing_in_it_breaks_the_import(
    tmp_path_factory: pytest.TempPathFactory, info: dict[str, Any]
) -> None:
    file = tmp_path_factory.mktemp("info") / "film.info.json"
    file.write_text(json.dumps(info))

    found = told_by(read(file), streams=None, path=FILM)

    json.dumps([found.media, found.about], allow_nan=False)
    assert about_of(found.about) == found.about
    assert not {"\0", "\n"} & set(found.title + found.url + found.media_id)
