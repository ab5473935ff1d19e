"""What the name of a file says of its video."""

import pytest

from downloads.rules.fetched_names import link_of, title_and_id

ID = "dQw4w9WgXcQ"


@pytest.mark.parametrize(
    ("stem", "extractor", "title", "site_id"),
    [
        (f"A talk [{ID}]", "youtube", "A talk", ID),
        (ID, "youtube", ID, ID),
        ("A talk [1080p60]", "youtube", "A talk [1080p60]", ""),
        ("A talk [76979871]", "vimeo", "A talk", "76979871"),
        ("A talk", "vimeo", "A talk", ""),
        (f"A talk [{ID}]", "", "A talk", ""),
        (ID, "", ID, ""),
        ("A talk [Remastered]", "", "A talk [Remastered]", ""),
        ("A talk [REMASTERED]", "", "A talk [REMASTERED]", ""),
        ("A talk [part 2]", "", "A talk [part 2]", ""),
        (f"[{ID}]", "youtube", f"[{ID}]", ""),
        ("[" * 5000 + " [" * 5000, "youtube", "[" * 5000 + " [" * 5000, ""),
    ],
)
def test_title_and_id_of_a_name(stem: str, extractor: str, title: str, site_id: str) -> None:
    assert title_and_id(stem, extractor=extractor) == (title, site_id)


def test_only_an_id_of_a_site_whose_addresses_are_made_of_it_is_a_link() -> None:
    assert link_of("youtube", ID) == f"https://www.youtube.com/watch?v={ID}"
    assert link_of("vimeo", "76979871") == link_of("youtube", "") == ""
