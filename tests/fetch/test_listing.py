"""A link for many videos is read as a list, of which nothing is fetched."""

import hashlib
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from yt_dlp.utils import InAdvancePagedList, OnDemandPagedList, unified_timestamp

from downloads.fetch import downloader as downloading
from downloads.fetch.client import MAX_LINE_BYTES, ForkServer
from downloads.fetch.listing import BATCH_ENTRIES, MAX_IN_VAIN, ListReader, dating_feeds
from downloads.fetch.protocol import (
    Fetched,
    Listed,
    ListedEntry,
    ListingEnded,
    Message,
    Metadata,
    PhaseBegan,
    Said,
    encode,
)
from downloads.fetch.read_limits import NotOneVideo
from downloads.rules.classify import code_of
from downloads.rules.links import MAX_URL_LENGTH
from tests.fetch.conftest import Fetch
from tests.helpers.attempts import facts, job_for, make_directory, messages_until, running
from tests.helpers.lists import Catalogue, feed
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite

FEED = "application/rss+xml"
CATALOG = "/Mediasite/Catalog/Full/{:032x}"  # lists of an extractor that reads them of any host

# Of sites that yt-dlp reads without their knowing


def hash_of(link: str) -> str:
    return hashlib.sha256(link.encode()).hexdigest()


def test_a_feed_is_listed_and_nothing_of_it_is_fetched(
    scripted_site: ScriptedSite, fetch: Fetch
) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(250)]

    ended = fetch(scripted_site.serve("/feed", Answer(body=feed(*links), media_type=FEED)))

    assert ended.listing == ListingEnded(title="A feed", kind="feed", left_out=0, end="end")
    assert [entry.url for entry in ended.entries] == links
    assert ended.entries[249] == ListedEntry(
        url=links[249],
        title="Item 250",
        extractor="generic",
        media_id=hash_of(links[249]),
        duration_seconds=65,
        uploaded_at=1795860000,
        is_live=False,
        is_list=False,
    )
    assert [request.path for request in scripted_site.requests] == ["/feed"]
    assert list(ended.directory.iterdir()) == []


def test_the_title_comes_first_and_the_entries_in_batches(
    scripted_site: ScriptedSite, fetch: Fetch
) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(150)]

    ended = fetch(scripted_site.serve("/feed", Answer(body=feed(*links), media_type=FEED)))

    told = [message for message in ended.messages if not isinstance(message, Said)]
    assert told[0] == Metadata(title="A feed")
    assert told[1] == PhaseBegan(phase="listing")
    assert all(len(batch.entries) <= BATCH_ENTRIES for batch in told if isinstance(batch, Listed))


def test_a_page_with_two_videos_is_listed(media_server: MediaServer, fetch: Fetch) -> None:
    ended = fetch(media_server.url("/page-two.html"))

    assert ended.listing.kind == "page"
    assert [entry.url for entry in ended.entries] == [
        media_server.url("/video.mp4"),
        media_server.url("/small/2.mp4"),
    ]


def test_the_one_item_of_a_feed_is_fetched(
    scripted_site: ScriptedSite, media_server: MediaServer, fetch: Fetch
) -> None:
    body = media_server.file("video.mp4").read_bytes()
    link = scripted_site.serve("/a.mp4", Answer(body=body, media_type="video/mp4"))

    ended = fetch(scripted_site.serve("/feed", Answer(body=feed(link), media_type=FEED)))

    assert ended.file.read_bytes() == body


def test_a_channel_of_three_lists_says_that_they_are_lists(
    scripted_site: ScriptedSite, fetch: Fetch
) -> None:
    links = [scripted_site.url(CATALOG.format(number)) for number in range(3)]

    ended = fetch(scripted_site.serve("/channel", Answer(body=feed(*links), media_type=FEED)))

    assert [entry.is_list for entry in ended.entries] == [True, True, True]
    assert [entry.media_id for entry in ended.entries] == ["", "", ""]


def test_an_entry_has_the_extractor_and_the_id_of_its_site(
    scripted_site: ScriptedSite, fetch: Fetch
) -> None:
    videos = [f"{number:032x}" for number in range(2)]
    answer = {"PresentationDetailsList": [{"Id": name} for name in videos]}
    scripted_site.serve(
        "/Mediasite/Catalog/Data/GetPresentationsForFolder", Answer(body=json.dumps(answer))
    )

    ended = fetch(scripted_site.serve(CATALOG.format(7), Answer()))

    assert ended.listing.kind == "playlist"
    assert [(entry.extractor, entry.media_id) for entry in ended.entries] == [
        ("mediasite", name) for name in videos
    ]


def test_a_list_is_refused_when_only_a_video_is_wanted(
    media_server: MediaServer, fetch: Fetch
) -> None:
    ended = fetch(media_server.url("/page-two.html"), playlist="no")

    assert code_of(facts(ended.broke)) == "is_list"


def test_a_list_that_is_too_deep_in_others_is_refused(
    media_server: MediaServer, fetch: Fetch
) -> None:
    ended = fetch(media_server.url("/page-two.html"), may_list=False)

    assert code_of(facts(ended.broke)) == "list_too_deep"


@pytest.mark.parametrize(("number", "end"), [(3, "limit"), (9, "end")])
def test_as_many_as_are_wanted_are_read(
    scripted_site: ScriptedSite, fetch: Fetch, number: int, end: str
) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(9)]
    url = scripted_site.serve("/feed", Answer(body=feed(*links), media_type=FEED))

    ended = fetch(url, playlist=f"first:{number}")

    assert len(ended.entries) == number
    assert ended.listing.end == end


def test_the_worker_may_stop_the_reading(
    scripted_site: ScriptedSite, fork_server: ForkServer, directory: Any
) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(10_000)]
    url = scripted_site.serve("/feed", Answer(body=feed(*links), media_type=FEED))
    job = job_for(url, directory, allow_private_hosts=(scripted_site.origin,))

    with running(fork_server, job) as child:
        child.keep()
        last = messages_until(child)[-1]

    assert isinstance(last, ListingEnded)
    assert last.end == "known"


def test_a_video_without_a_known_site_is_named_by_its_link(
    media_server: MediaServer, fetch: Fetch
) -> None:
    link = media_server.url("/video.mp4")

    ended = fetch(link)

    [told] = [message for message in ended.messages if isinstance(message, Metadata)]
    assert (told.extractor, told.media_id) == ("generic", hash_of(link))


def test_a_file_that_a_feed_leads_to_has_its_title(media_server: MediaServer, fetch: Fetch) -> None:
    ended = fetch(media_server.url("/video.mp4"), title="Episode 7")

    assert ended.fetched.title == "Episode 7"


# Of extractors, as they return it


class Wishes:
    """The worker's side of a child: it never asks to stop."""

    def is_keep_asked(self) -> bool:
        return False


@pytest.fixture(scope="module")
def downloader() -> downloading.Downloader:
    return downloading.build()


class Reading:
    """What a reader says of what an extractor returned."""

    def __init__(self, downloader: downloading.Downloader, directory: Any) -> None:
        self._downloader = downloader
        self._directory = directory
        self.said: list[Message] = []

    def of(self, entries: Any, *, max_entries: int = 1000, **about: Any) -> list[ListedEntry]:
        job = job_for("https://site.invalid/list", self._directory, max_entries=max_entries)
        self.reader = ListReader(
            self._downloader,
            job,
            send=self.said.append,
            wishes=Wishes(),  # type: ignore[arg-type]
        )
        self.result = {"_type": "playlist", "title": "A list", "entries": entries, **about}
        self.was_read = self.reader.reads(self.result)
        return [
            entry
            for message in self.said
            if isinstance(message, Listed)
            for entry in message.entries
        ]

    @property
    def end(self) -> str:
        assert self.reader.ended is not None
        return self.reader.ended.end


@pytest.fixture
def reading(downloader: downloading.Downloader, directory: Any) -> Reading:
    return Reading(downloader, directory)


def video(number: int, **values: Any) -> dict[str, Any]:
    return {
        "_type": "url",
        "url": f"https://site.invalid/{number}.mp4",
        "ie_key": "Generic",
    } | values


def without_end(*_page: int) -> Iterator[dict[str, Any]]:
    return map(video, count())


def page_of_100(number: int) -> list[dict[str, Any]]:
    return [video(100 * number + place) for place in range(100)]


def the_same_page(_number: int) -> list[dict[str, Any]]:
    return page_of_100(0)


@pytest.mark.parametrize(
    "entries", [without_end(), OnDemandPagedList(page_of_100, 100)], ids=["generator", "pages"]
)
def test_a_list_without_end_ends_at_the_limit(reading: Reading, entries: Any) -> None:
    assert len(reading.of(entries, max_entries=250)) == 250

    assert reading.end == "limit"


@pytest.mark.parametrize("kind", [list, iter])
def test_a_list_that_is_as_long_as_the_limit_is_complete(reading: Reading, kind: Any) -> None:
    assert len(reading.of(kind(page_of_100(1)), max_entries=100)) == 100

    assert reading.end == "end"


def test_pages_are_read_one_after_the_other_and_not_kept(reading: Reading) -> None:
    asked: list[int] = []

    def page(number: int) -> list[dict[str, Any]]:
        asked.append(number)
        return page_of_100(number)

    pages = InAdvancePagedList(page, 50, 100)
    reading.of(pages, max_entries=150)

    assert asked == [0, 1]
    assert pages._cache == {}


def test_pages_that_repeat_end(reading: Reading) -> None:
    entries = reading.of(OnDemandPagedList(the_same_page, 100))

    assert len(entries) == 100
    assert reading.end == "repeats"


def test_what_is_listed_twice_is_one_entry(reading: Reading) -> None:
    entries = reading.of([video(1), video(2), video(1), video(3)])

    assert [entry.url[-5] for entry in entries] == ["1", "2", "3"]
    assert reading.end == "end"


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user:secret@site.invalid/a.mp4",
        "https://site.invalid/" + "a" * MAX_URL_LENGTH,
        "https://site.invalid/list",
        "https://[::1",
        7,
    ],
)
def test_an_entry_without_a_link_that_can_be_downloaded_is_left_out(
    reading: Reading, link: object
) -> None:
    entries = reading.of([video(1), {"_type": "url", "url": link}, video(2)])

    assert len(entries) == 2
    assert reading.reader.ended is not None
    assert reading.reader.ended.left_out == 1


def test_a_list_of_nothing_that_can_be_downloaded_is_no_video(reading: Reading) -> None:
    with pytest.raises(NotOneVideo):
        reading.of([{"_type": "url", "url": "mailto:a@b"}] * 3)


def test_entries_without_a_link_do_not_go_on_for_ever(reading: Reading) -> None:
    empty = ({"_type": "url", "url": "mailto:a@b"} for _ in count())

    assert len(reading.of(iter([video(1), *(next(empty) for _ in range(MAX_IN_VAIN + 5))]))) == 1
    assert reading.end == "repeats"


def test_the_longest_titles_and_links_fit_a_line(reading: Reading) -> None:
    reading.of(
        video(number, url=f"https://site.invalid/{number}/" + "é" * 2000, title="\U0001f600" * 5000)
        for number in range(300)
    )

    assert len(reading.said) > 3
    assert max(len(encode(message)) for message in reading.said) < MAX_LINE_BYTES


def test_lists_without_a_link_are_replaced_by_their_entries(reading: Reading) -> None:
    inner = {"_type": "playlist", "entries": iter([video(2), video(3)])}

    entries = reading.of([video(1), inner, video(4)])

    assert [entry.url[-5] for entry in entries] == ["1", "2", "3", "4"]


def test_a_list_in_itself_ends(reading: Reading) -> None:
    inner: dict[str, Any] = {"_type": "playlist"}
    inner["entries"] = [video(1), inner]

    assert len(reading.of([inner, video(2)])) == 2


def test_what_is_known_of_a_video_is_told(reading: Reading) -> None:
    [entry, _] = reading.of(
        [
            video(
                1,
                id="a1",
                ie_key="Youtube",
                url="dQw4w9WgXcQ",
                title="A\u202eb",
                duration=61,
                upload_date="20261128",
                live_status="is_upcoming",
            ),
            video(2),
        ]
    )

    assert entry.url == "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
    assert (entry.extractor, entry.media_id) == ("youtube", "a1")
    assert (entry.title, entry.duration_seconds, entry.is_live) == ("Ab", 61, True)
    assert entry.uploaded_at == 1795824000


@pytest.mark.parametrize(
    "values", [{"duration": float("inf")}, {"duration": "long"}, {"timestamp": 1e300}]
)
def test_what_cannot_be_is_not_known(reading: Reading, values: dict[str, Any]) -> None:
    [entry, _] = reading.of([video(1, **values), video(2)])

    assert (entry.duration_seconds, entry.uploaded_at) == (None, None)


@pytest.mark.parametrize(
    ("key", "is_list"),
    [("YoutubeTab", True), ("YoutubePlaylist", True), ("Youtube", False), ("Generic", False)],
)
def test_lists_are_told_from_videos_by_their_extractor(
    reading: Reading, key: str, is_list: bool
) -> None:
    [entry, _] = reading.of([video(1, ie_key=key, id="x"), video(2)])

    assert entry.is_list is is_list


@pytest.mark.parametrize("page", [{}, {"webpage_url": "https://site.invalid/list"}])
def test_a_video_that_came_whole_is_named_by_its_best_file(
    reading: Reading, page: dict[str, str]
) -> None:
    formats = [
        {"url": "https://site.invalid/360.mp4", "height": 360},
        {"url": "https://site.invalid/720.mp4", "height": "720"},
        {"url": "https://site.invalid/x.mp4", "height": "much"},
    ]

    [entry, _] = reading.of([{"id": "a", "title": "A", "formats": formats, **page}, video(2)])

    assert entry.url == "https://site.invalid/720.mp4"


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 28 Nov 2026 10:00:00 GMT",
        "Sat, 28 Nov 2026 10:00:00 +0530",
        "Sun, 1 Feb 2026 00:00:00 -0800",
        "Sat, 99 Nov 2026 10:00:00 GMT",
        "Sat, 28 Nov 2026 10:00:00 EST",
        "2026-11-28T10:00:00Z",
        None,
    ],
)
def test_dates_of_feeds_are_read_as_yt_dlp_reads_them(text: str | None) -> None:
    assert dating_feeds(unified_timestamp)(text) == unified_timestamp(text)


@pytest.mark.parametrize("entries", [[], [video(1)], [None, video(1)]])
def test_at_most_one_video_is_no_list(reading: Reading, entries: list[Any]) -> None:
    assert reading.of(iter(entries)) == []

    assert not reading.was_read
    assert reading.result["entries"] == [entry for entry in entries if entry]


@pytest.mark.parametrize("noplaylist", [True, False])
def test_a_link_that_names_a_list_as_well_is_noticed(
    downloader: downloading.Downloader, noplaylist: bool
) -> None:
    downloader.params["noplaylist"] = noplaylist
    downloader.is_in_a_list = False

    chosen = downloader.get_info_extractor("Youtube")._yes_playlist("PL1", "dQw4w9WgXcQ")

    assert (chosen, downloader.is_in_a_list) == (not noplaylist, noplaylist)


def test_a_video_that_its_site_names_is_not_fetched_before_the_word(
    fork_server: ForkServer, scripted_site: ScriptedSite, media_server: MediaServer, tmp_path: Path
) -> None:
    catalogue = Catalogue(scripted_site, media_server.file("small.mp4").read_bytes())
    allowed = (scripted_site.origin,)
    job = job_for(
        catalogue.video(7), make_directory(tmp_path), allow_private_hosts=allowed, asks_first=True
    )
    with running(fork_server, job) as child:
        messages_until(child, lambda said: any(isinstance(each, Metadata) for each in said))
        with pytest.raises(AssertionError, match="did not end"):
            messages_until(child, bool, seconds=0.7)
        assert catalogue.fetched == 0

        child.take()
        assert isinstance(messages_until(child)[-1], Fetched)
