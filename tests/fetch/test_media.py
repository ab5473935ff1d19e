"""What rows and pages are told of a video."""

from typing import Any

import pytest

from downloads.fetch.media import chapters_of, media_of

NOON = "2026-01-31T12:00:00+00:00"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"uploader": "Ursula\u202e\x00 "}, {"uploader": "Ursula"}),
        ({"uploader": "", "channel": "C" * 999}, {"channel": "C" * 300}),
        ({"duration": 61.7}, {"duration": 62}),
        ({"duration": "long"}, {}),
        ({"timestamp": 1769860800}, {"uploaded_at": NOON}),
        ({"upload_date": "20260131"}, {"uploaded_at": NOON.replace("12:", "00:")}),
        ({"timestamp": 1e300, "upload_date": "soon"}, {}),
        ({"width": 1920, "height": -1}, {"width": 1920}),
        ({"is_live": True}, {"live": True}),
    ],
)
def test_what_a_site_says_is_told(said: dict[str, Any], told: dict[str, Any]) -> None:
    assert media_of(said) == {"live": False, **told}


@pytest.mark.parametrize("chapters", [None, "all", [None], [{}], [{"start_time": 1}], [["a"]]])
def test_chapters_without_times_are_left_out(chapters: Any) -> None:
    assert chapters_of({"chapters": chapters}) == []
