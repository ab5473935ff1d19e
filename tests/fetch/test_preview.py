"""The small picture that is fetched beside a video."""

import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from downloads.fetch.pictures import SmallPicture, small_picture
from downloads.fetch.preview import MAX_READ_BYTES, smallest_first
from downloads.fetch.protocol import PhaseBegan, Pictured
from tests.fetch.conftest import Fetch
from tests.helpers.attempts import Ended
from tests.helpers.choices import Choices
from tests.helpers.posters import png, poster
from tests.helpers.scripted_site import Answer, Canary

BARE = {"thumbnail": False}  # no picture is kept
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def pictured(ended: Ended) -> list[SmallPicture]:
    return [
        SmallPicture(media_type=each.media_type, content=b64decode(each.content))
        for each in ended.messages
        if isinstance(each, Pictured)
    ]


def test_the_child_sends_the_picture_that_the_site_offers(offer: Choices, fetch: Fetch) -> None:
    ended = fetch(offer.url("/page"), wants_preview=True, **BARE)

    assert pictured(ended) == [
        SmallPicture(media_type="image/png", content=(offer.media / "poster.png").read_bytes())
    ]
    assert len(ended.fetched.files) == 1
    assert "warnings" not in ended.fetched.data


def test_a_picture_that_is_kept_is_not_fetched_twice(offer: Choices, fetch: Fetch) -> None:
    offer.file("/poster.jpg", poster("jpg", width=1280, height=720))

    ended = fetch(offer.url("/film"), wants_preview=True)

    [small] = pictured(ended)
    assert small.media_type == "image/jpeg"
    assert width_of(small.content, ended.directory) == 320
    assert len(offer.site.requests_of("/poster.jpg")) == 1


def test_a_picture_that_is_kept_is_there_when_the_video_begins(
    offer: Choices, fetch: Fetch
) -> None:
    ended = fetch(offer.url("/film"), wants_preview=True)

    kinds = [type(each) for each in ended.messages]
    assert kinds.index(Pictured) < kinds.index(PhaseBegan)


def test_a_large_picture_becomes_a_small_one(offer: Choices, fetch: Fetch) -> None:
    offer.file("/poster.png", png(width=400, height=200))

    ended = fetch(offer.url("/page"), wants_preview=True, **BARE)

    [small] = pictured(ended)
    assert width_of(small.content, ended.directory) == 320


def test_a_picture_is_asked_for_only_when_it_is_wanted(offer: Choices, fetch: Fetch) -> None:
    ended = fetch(offer.url("/page"), **BARE)

    assert pictured(ended) == []
    assert offer.site.requests_of("/poster.png") == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(body=png(width=64, height=64) + bytes(MAX_READ_BYTES)), id="huge"),
        pytest.param(Answer(body=SVG, media_type="image/svg+xml"), id="svg"),
        pytest.param(Answer(body="<!doctype html><p>Hello", media_type="image/jpeg"), id="page"),
        pytest.param(Answer(body=png(width=64, height=64), hold_after=99), id="silent"),
        pytest.param(Answer(body=png(width=64, height=64), cut_after=99), id="cut"),
        pytest.param(Answer(status=404), id="missing"),
    ],
)
def test_what_a_site_sends_instead_of_a_picture_costs_the_video_nothing(
    answer: Answer, offer: Choices, fetch: Fetch
) -> None:
    offer.site.serve("/poster.png", answer)

    ended = fetch(offer.url("/page"), wants_preview=True, **BARE)

    assert pictured(ended) == []
    assert len(ended.fetched.files) == 1
    assert "warnings" not in ended.fetched.data


def test_a_picture_does_not_lead_to_a_private_address(
    offer: Choices, fetch: Fetch, canary: Canary
) -> None:
    inside = f"http://127.0.0.1:{canary.port}/poster.png"
    offer.site.serve("/poster.png", Answer(status=302, headers={"Location": inside}))

    ended = fetch(offer.url("/page"), wants_preview=True, **BARE)

    assert pictured(ended) == []
    assert len(ended.fetched.files) == 1


def test_a_refused_picture_is_not_called_the_cause_when_the_video_fails(
    offer: Choices, fetch: Fetch, canary: Canary
) -> None:
    inside = f"http://127.0.0.1:{canary.port}/poster.png"
    offer.site.serve("/poster.png", Answer(status=302, headers={"Location": inside}))
    for name in ("180.mp4", "360.mp4", "540.webm"):
        offer.site.serve(f"/{name}", Answer(status=404))

    ended = fetch(offer.url("/page"), wants_preview=True, **BARE)

    assert ended.error_class == "unavailable"


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_small_picture_stays_as_it_is(suffix: str, directory: Path) -> None:
    content = poster(suffix, width=320, height=180)
    media_type = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}[suffix]

    assert small_picture(content, directory=directory) == SmallPicture(
        media_type=media_type, content=content
    )


def test_a_few_bytes_that_claim_many_pixels_are_not_shown(directory: Path) -> None:
    claimed = (30_000).to_bytes(4) * 2
    content = bytearray(png(width=64, height=64))
    content[16:24] = claimed

    assert small_picture(bytes(content), directory=directory) is None


def test_a_list_has_the_picture_of_its_page(offer: Choices, fetch: Fetch) -> None:
    picture = f'<meta property="og:image" content="{offer.url("/poster.jpg")}">'
    videos = '<video src="/180.mp4"></video><video src="/360.mp4"></video>'
    offer.site.serve("/two", Answer(body=f"<!doctype html><head>{picture}</head>{videos}"))
    ended = fetch(offer.url("/two"), wants_preview=True)

    assert len(ended.entries) == 2
    assert len(pictured(ended)) == 1


def source(width: int | None, name: str = "") -> dict[str, object]:
    return {"url": f"https://example.org/{name or width}", "width": width}


@pytest.mark.parametrize(
    ("widths", "order"),
    [
        ([120, 168, 336, 1280], [168, 336, 1280, 120]),
        ([64, 120], [120, 64]),
        ([None, 120], [None, 120]),
        ([None, 640], [640, None]),
    ],
)
def test_the_smallest_picture_that_is_wide_enough_comes_first(
    widths: list[int | None], order: list[int | None]
) -> None:
    found = smallest_first({"thumbnails": [source(width) for width in widths]})

    assert [each["width"] for each in found] == order


@pytest.mark.parametrize("offered", [None, ["x"], [{"url": None}], [{"url": "file:///etc/passwd"}]])
def test_what_is_not_an_address_of_the_web_is_not_a_picture(offered: object) -> None:
    assert smallest_first({"thumbnails": offered}) == []


def width_of(content: bytes, directory: Path) -> int:
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=width", "-of", "csv=p=0", "-"]
    done = subprocess.run(command, input=content, cwd=directory, capture_output=True, check=True)
    return int(done.stdout)
