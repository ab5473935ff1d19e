"""What a transition stores, in words."""

from typing import Any

import pytest

from downloads.web.details import detail_of


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        ({}, ""),
        ({"freed_bytes": 123}, "123 bytes freed"),
        ({"asked_by": "user:eve"}, "asked by eve"),
        ({"asked_by": "command:stop_and_keep"}, "asked by the command line"),
        ({"changed": "quality of-a-later-version"}, "Options changed: Quality"),
        ({"signal": "SIGKILL"}, "The download process was killed by SIGKILL."),
        ({"status": 0}, "The download process exited with 0."),
        ({"code": "no_room"}, "The disk ran full while it was downloading."),
        ({"code": "without_sound"}, "The site offers it without sound."),
        (
            {"stopped": "ended", "recorded_seconds": 12, "gaps": 1, "missed_segments": 3},
            "The stream ended.\n12 s recorded\ngaps: 1\nsegments missed: at least 3",
        ),
        ({"code": "in_a_list"}, "The link names a list as well."),
        (
            {"code": "list_limit", "entries": 100, "added": 90, "not_added": 10, "left_out": 2},
            "The reading of the list stopped at the limit.\nentries: 100\nadded: 90\n"
            "not added: 10\nleft out, without a link that can be downloaded: 2",
        ),
        ({"code": "list_repeats"}, "The list repeats itself: the reading stopped there."),
        (
            {"code": "list_known"},
            "The reading of the list stopped where nothing more was new.",
        ),
        ({"starts_at": 1800000000}, "It starts at 2027-01-15 08:00 UTC."),
        ({"code": "of a later version", "neither": 1}, ""),
        ({"message": "HTTP {404}"}, "HTTP {404}"),
        (
            {"warnings": [{"code": "no_subtitles", "language": "it", "offered": "de en"}]},
            "There are no subtitles in “it”; there are: de, en.",
        ),
        (
            {"warnings": [{"code": "no_subtitles", "language": "it", "offered": ""}]},
            "There are no subtitles.",
        ),
        (
            {"warnings": [{"code": "too_many_subtitles", "number": 7}]},
            "7 more subtitles were left out.",
        ),
        (
            {
                "warnings": [
                    {
                        "code": "not_fetched",
                        "what": "subtitles",
                        "language": "fr",
                        "reason": "forbidden",
                    },
                    {"code": "not_fetched", "what": "thumbnail", "reason": "not_picture"},
                    {"code": "not_fetched", "what": "sponsorblock"},
                ]
            },
            "The subtitles in “fr” were not fetched: the site refused it.\n"
            "The thumbnail was not fetched: the site sent something else.\n"
            "SponsorBlock did not answer.",
        ),
        (
            {"warnings": [{"code": "not_embedded", "what": "thumbnail", "container": "opus"}]},
            "The thumbnail cannot be put into opus.",
        ),
        (
            {"warnings": [{"code": "not_embedded", "what": "metadata"}]},
            "The metadata could not be put into the file.",
        ),
        ({"warnings": [{"code": "not_compatible"}]}, "The site has no H.264 and AAC."),
        (
            {"warnings": [{"code": "whole_recording"}]},
            "A recording is not cut: it is kept whole.",
        ),
        ({"warnings": [{"code": "of a later version"}]}, ""),
        (
            {"kept_bytes": 5, "message": "reset by peer"},
            "reset by peer\n5 bytes kept for the next attempt",
        ),
    ],
)
def test_data_in_words(data: dict[str, Any], detail: str) -> None:
    assert detail_of(data) == detail


def test_sizes_are_written_as_the_caller_wants() -> None:
    assert detail_of({"freed_bytes": 2048}, write_bytes=lambda number: f"{number // 1024} KiB") == (
        "2 KiB freed"
    )
