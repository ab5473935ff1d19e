"""The pages, as a browser without JavaScript and our scripts ask for them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils import timezone
from django.views.defaults import server_error

from downloads import actions, queueing
from downloads.accounts import first_admin
from downloads.models import Download, Progress, StreamPosition, submissions
from downloads.rules.errors import ADVICE, ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome, Phase, Reason, State
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

FRAGMENTS = ["/downloads/rows", "/banners"]
SCRIPT = {"X-Requested-With": "fetch"}


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def words_of(answer: Any) -> str:
    """What a person reads: no tags, single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", text_of(answer)).split())


def add(client: Client, urls: str, **more: str) -> Any:
    return client.post("/downloads/", {"urls": urls, "quality": "best", "audio": "", **more})


def path_of(download: Download, action: str = "") -> str:
    return f"/downloads/{download.correlation_id}/{action}"


def shown_ids(answer: Any) -> list[str]:
    return re.findall(r'data-row="([^"]+)"', text_of(answer))


def row_of(answer: Any, download: Download) -> str:
    _, _, rest = text_of(answer).partition(f'data-row="{download.correlation_id}"')
    return rest.partition("</li>")[0]


def counts_in(answer: Any) -> dict[str, int]:
    found = re.findall(r'data-count="(\w+)">(\d+)<', text_of(answer))
    return {name: int(count) for name, count in found}


# Who may come in.


@pytest.mark.parametrize("path", ["/", *FRAGMENTS, "/downloads/abc/", "/downloads/"])
def test_strangers_are_sent_to_the_login(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/?next=")


def test_a_stranger_can_add_nothing(client: Client) -> None:
    assert add(client, "https://example.org/1").status_code == 302
    assert not Download.objects.exists()


def test_signing_in_and_out(client: Client, user: User) -> None:
    answer = client.post("/login/", {"username": "ursula", "password": "password", "next": "/?q=a"})
    assert answer["Location"] == "/?q=a"

    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_a_wrong_password_is_said(client: Client, user: User) -> None:
    answer = client.post("/login/", {"username": "ursula", "password": "wrong"})

    assert "correct username and password" in text_of(answer)


def test_the_login_leads_to_no_other_site(client: Client, user: User) -> None:
    form = {"username": "ursula", "password": "password", "next": "https://evil.example/"}

    assert client.post("/login/", form)["Location"] == "/"


# The list.


def test_users_see_their_own_and_staff_all(browser: Client, user: User, staff: User) -> None:
    own, other = lives.submit(user), lives.submit(staff)

    assert shown_ids(browser.get("/")) == [own.correlation_id]
    assert counts_in(browser.get("/"))["all"] == 1
    browser.force_login(staff)
    assert shown_ids(browser.get("/")) == [own.correlation_id, other.correlation_id]


def test_the_page_says_at_which_seq_it_was_drawn(browser: Client, user: User) -> None:
    lives.submit(user)

    assert f'data-seq="{StreamPosition.current()}"' in text_of(browser.get("/"))


def test_filters_and_their_counts(browser: Client, user: User) -> None:
    failed = lives.fail(lives.submit(user))
    completed = lives.complete(lives.submit(user))
    actions.clean(completed, actor="test")
    cancelled = actions.cancel(lives.submit(user), actor="test")
    active = lives.start(lives.submit(user))
    waiting = lives.submit(user)

    expected = {
        "all": [active, waiting, cancelled, completed, failed],
        "active": [active],
        "waiting": [waiting],
        "completed": [completed],
        "failed": [failed],
        "cancelled": [cancelled],
        "not_cleaned": [failed],
    }
    for name, downloads in expected.items():
        ids = [download.correlation_id for download in downloads]
        assert shown_ids(browser.get("/", {"state": name})) == ids, name
    assert counts_in(browser.get("/")) == {name: len(ids) for name, ids in expected.items()}


def test_an_unknown_filter_is_none(browser: Client, user: User) -> None:
    lives.submit(user)

    assert len(shown_ids(browser.get("/?state=nonsense&sort=sideways&after=x&before=-1"))) == 1


def test_search_by_title_address_and_id(browser: Client, user: User) -> None:
    titled = lives.start(lives.submit(user))
    titled.note(title="Sunrise over the harbour")
    other = lives.submit(user, url="https://elsewhere.example/clip")

    assert shown_ids(browser.get("/", {"q": "HARBOUR"})) == [titled.correlation_id]
    assert shown_ids(browser.get("/", {"q": "elsewhere"})) == [other.correlation_id]
    assert shown_ids(browser.get("/", {"q": other.correlation_id})) == [other.correlation_id]
    assert "No downloads match “zebra”" in text_of(browser.get("/", {"q": "zebra"}))


@pytest.mark.parametrize("text", ["\0", "%", "'", "<script>", "x" * 5000])
def test_any_search_is_answered(browser: Client, text: str) -> None:
    answer = browser.get("/", {"q": text})

    assert answer.status_code == 200
    assert "<script>" not in text_of(answer)


def link_to(answer: Any, rel: str) -> str | None:
    found = re.search(
        rf'<a class="button" rel="{rel}"[^>]*?href="([^"]+)"([^>]*)>', text_of(answer)
    )
    if found is None or "hidden" in found[2]:
        return None
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize("sort", ["newest", "oldest"])
def test_pages_of_fifty_there_and_back(browser: Client, user: User, sort: str) -> None:
    wishes = [(f"https://example.org/{n}", DownloadOptions()) for n in range(120)]
    submitted = submissions.submit(wishes, owner=user, actor="test")
    ids = [answer.download.correlation_id for answer in submitted]
    if sort == "newest":
        ids.reverse()

    pages = [browser.get(f"/?sort={sort}")]
    while following := link_to(pages[-1], "next"):
        pages.append(browser.get(following))
    back = [pages[-1]]
    while preceding := link_to(back[-1], "prev"):
        back.append(browser.get(preceding))

    assert [shown_ids(page) for page in pages] == [ids[:50], ids[50:100], ids[100:]]
    assert [shown_ids(page) for page in back] == [ids[100:], ids[50:100], ids[:50]]


@pytest.mark.parametrize("rows", [25, 100])
def test_as_many_rows_on_a_page_as_its_reader_wants(browser: Client, user: User, rows: int) -> None:
    wishes = [(f"https://example.org/cat/{n}", DownloadOptions()) for n in range(120)]
    submitted = submissions.submit(wishes, owner=user, actor="test")
    ids = [answer.download.correlation_id for answer in submitted]
    first = text_of(browser.get("/?sort=oldest&q=cat"))
    [address] = re.findall(rf'<a href="([^"]+)">{rows}</a>', first)

    page = browser.get(address.replace("&amp;", "&"))
    following = link_to(page, "next")

    assert shown_ids(page) == ids[:rows]
    assert f'<input type="hidden" name="rows" value="{rows}">' in text_of(page)
    assert following
    assert shown_ids(browser.get(following)) == ids[rows : 2 * rows]


def test_a_short_list_offers_no_other_pages(browser: Client, user: User) -> None:
    lives.submit(user)

    assert "Rows on a page" not in text_of(browser.get("/?rows=7"))


def test_a_page_takes_as_many_queries_for_fifty_rows_as_for_one(
    browser: Client, user: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(12):
        lives.complete(lives.submit(user))
    lives.start(lives.submit(user))

    with django_assert_max_num_queries(24):  # three of them ask PostgreSQL for the time
        browser.get("/")


def test_an_empty_list_says_what_to_do(browser: Client) -> None:
    browser.post("/first-steps/hide")

    assert "Add a link above." in text_of(browser.get("/"))


# Rows.


def test_a_waiting_row(browser: Client, user: User) -> None:
    lives.make_worker()
    download = lives.submit(user, url="https://www.example.org/watch?v=1", quality="720p")

    row = row_of(browser.get("/"), download)

    assert "state-created" in row
    assert "Waiting" in row
    assert "https://www.example.org/watch?v=1" in row
    assert ">example.org<" in row
    assert "720p" in row
    assert "Next in the queue" in row
    assert f'formaction="/downloads/{download.correlation_id}/cancel"' in row


def test_options_of_a_newer_version_leave_the_pages_usable(browser: Client, user: User) -> None:
    lives.make_worker()
    download = lives.submit(user)
    Download.objects.filter(pk=download.pk).update(options={"quality": "best", "new<": "b"})

    row = row_of(browser.get("/"), download)
    page = text_of(browser.get(f"/downloads/{download.correlation_id}/"))

    assert "unknown options" in row
    assert "new&lt;: unknown option" in page


def test_a_row_that_waits_for_its_next_attempt(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    download.move(
        State.CREATED,
        actor="test",
        reason=Reason.WILL_RETRY,
        not_before=timezone.now() + timedelta(minutes=8, seconds=30),
        error_class=ErrorClass.NETWORK,
    )

    row = row_of(browser.get("/"), download)

    assert "The site could not be reached." in row
    assert ">in 8 min<" in row
    assert "it is tried again by itself" in text_of(browser.get(path_of(download)))


def test_a_downloading_row_shows_its_numbers(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(
        phase=Phase.FETCHING,
        received_bytes=118 * 2**20,
        total_bytes=281 * 2**20,
        speed=6.2 * 2**20,
        eta_seconds=26,
    )

    row = row_of(browser.get("/"), download)

    for words in ("Downloading", "41 %", "118 MiB of 281 MiB", "6.2 MiB/s", "26 s left"):
        assert words in row
    assert 'value="42.0"' in row


def test_a_row_whose_list_is_read_says_how_many_are_there(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(phase=Phase.LISTING, entries=1200)

    row = row_of(browser.get("/"), download)

    assert "Reading the list" in row
    assert "1,200 so far" in row


def test_a_resumed_download_says_where_it_went_on(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(
        phase=Phase.FETCHING,
        received_bytes=118 * 2**20,
        resumed_bytes=90 * 2**20,
        total_bytes=281 * 2**20,
    )

    row = row_of(browser.get("/"), download)

    assert ", resumed at 32 %" in row


def test_old_numbers_are_not_shown(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(
        speed=2**20, eta_seconds=26, updated_at=timezone.now() - timedelta(seconds=30)
    )

    row = row_of(browser.get("/"), download)

    assert "MiB/s" not in row
    assert "left" not in row


def test_a_row_says_for_how_long_nothing_has_come(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(
        phase="fetching", eta_seconds=0, updated_at=timezone.now() - timedelta(seconds=12.5)
    )

    row = row_of(browser.get("/"), download)

    assert re.search(r"No bytes for 1\d s", row)
    assert "left" not in row


def test_a_site_that_is_read_for_long_is_called_slow(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    asked_at = timezone.now()
    Progress.objects.update(phase=Phase.EXTRACTING, updated_at=asked_at)
    row = row_of(browser.get("/"), download)
    assert "Looking up the video" in row
    assert f'data-due datetime="{(asked_at + timedelta(seconds=30)).isoformat()}"' in row

    Progress.objects.update(updated_at=asked_at - timedelta(seconds=30))

    row = row_of(browser.get("/"), download)
    assert "The site is slow to answer" in row
    assert "data-due" not in row


def test_a_cancelled_row_says_who_did_it_and_how_long_the_stop_took(
    browser: Client, user: User
) -> None:
    download = lives.start(lives.submit(user))
    actions.cancel(download, actor="user:ursula")
    download.refresh_from_db()
    download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    end = download.cancel_requested_at + timedelta(seconds=3)  # type: ignore[operator]
    Download.objects.filter(pk=download.pk).update(finished_at=end)

    row = row_of(browser.get("/"), download)

    assert "By ursula, " in row
    assert ", stopped in 3 s" in row


def test_a_completed_row_says_how_much_came_how_fast(browser: Client, user: User) -> None:
    subtitles = {"name": "clip.en.vtt", "media_type": "text/vtt", "role": "subtitles"}
    download = lives.complete(lives.submit(user), beside=[subtitles])
    download.refresh_from_db()
    assert download.started_at
    end = download.started_at + timedelta(seconds=2)
    Download.objects.filter(pk=download.pk).update(finished_at=end)

    assert "2 files, 10 B in 2 s, 5 B/s" in row_of(browser.get("/"), download)


def test_a_row_that_is_being_cancelled(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    actions.cancel(download, actor="user:ursula")

    row = row_of(browser.get("/"), download)

    assert "Cancelling…" in row
    assert "formaction" not in row


def test_a_completed_row_that_was_cleaned_shows_its_outcome(browser: Client, user: User) -> None:
    download = lives.complete(lives.submit(user))
    actions.clean(download, actor="test")

    row = row_of(browser.get("/"), download)

    assert "state-completed" in row
    assert "Completed" in row
    assert "Temp files" not in row
    assert "5 B" in row
    assert f"/media/{download.correlation_id}/" in row


@pytest.mark.sqlite
@pytest.mark.parametrize("error_class", ErrorClass)
def test_a_failed_row_says_what_happened_and_what_to_do(
    browser: Client, user: User, error_class: ErrorClass
) -> None:
    download = lives.fail(lives.submit(user), error_class)

    row = row_of(browser.get("/"), download).replace("&#x27;", "'")

    assert ADVICE[error_class].sentence in row
    assert ADVICE[error_class].next_step in row
    assert f'formaction="/downloads/{download.correlation_id}/retry"' in row


def test_titles_of_sites_are_escaped(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    download.note(title="<script>alert(1)</script>")

    for path in ("/", path_of(download)):
        assert "<script>alert" not in text_of(browser.get(path))


# Fragments.


def test_rows_are_those_that_were_asked_for(browser: Client, user: User, staff: User) -> None:
    one, two, _, foreign = (lives.submit(owner) for owner in (user, user, user, staff))
    ids = ",".join(item.correlation_id for item in (one, two, foreign))

    answer = browser.get("/downloads/rows", {"ids": f"{ids},nonsense,,"})

    assert shown_ids(answer) == [two.correlation_id, one.correlation_id]
    assert re.findall(r"data-part\s+data-(\w+)", text_of(answer)) == ["row", "row"]
    assert "<html" not in text_of(answer)


def test_a_row_is_the_same_on_the_page_and_as_a_fragment(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))

    page = browser.get("/")
    fragment = browser.get("/downloads/rows", {"ids": download.correlation_id})

    assert row_of(page, download) == row_of(fragment, download)


ALWAYS = ["Copy the link", "Open the source page"]


@pytest.mark.parametrize(
    ("bring", "more"),
    [
        (lambda download: None, ["Start next", "Pause", "Delete…"]),
        (
            lambda download: queueing.pause(download, actor="test"),
            ["Start next", "Resume", "Delete…"],
        ),
        (lives.start, []),
        (lives.fail, ["Retry with changes…", "Delete…"]),
        (lives.complete, ["Delete…"]),
    ],
    ids=["waiting", "paused", "running", "failed", "completed"],
)
def test_the_menu_of_a_row_has_what_can_be_done_now(
    browser: Client, user: User, bring: Callable[..., object], more: list[str]
) -> None:
    download = lives.submit(user)
    bring(download)

    answer = browser.get(path_of(download, "menu"))

    buttons = re.findall(r"<(?:a|button).*?</(?:a|button)>", text_of(answer), re.DOTALL)
    assert [re.sub(r"<[^>]*>", "", each).strip() for each in buttons] == [*ALWAYS, *more]
    assert "<html" not in text_of(answer)


def test_rows_that_no_longer_match_are_marked(browser: Client, user: User) -> None:
    active = lives.start(lives.submit(user))
    waiting = lives.submit(user)
    ids = f"{waiting.correlation_id},{active.correlation_id}"

    answer = browser.get("/downloads/rows", {"ids": ids, "state": "waiting"})

    assert "data-unmatched" in row_of(answer, active).partition(">")[0]
    assert "data-unmatched" not in row_of(answer, waiting).partition(">")[0]


def test_the_parts_of_a_download_are_the_same_on_its_page_and_as_a_fragment(
    browser: Client, user: User
) -> None:
    download = lives.start(lives.submit(user))

    page = text_of(browser.get(path_of(download)))
    fragment = text_of(browser.get(path_of(download, "fragment")))

    assert fragment.strip() in page
    assert re.findall(r'id="(part-\w+)"', fragment) == [
        f"part-{name}"
        for name in (
            *("header", "problem", "retry", "listed", "entries", "film", "now", "chart"),
            *("graph", "history", "files", "technical"),
        )
    ]


# Banners.


def test_banners_are_the_same_on_the_page_and_as_a_fragment(browser: Client, user: User) -> None:
    lives.submit(user)

    page, fragment = text_of(browser.get("/")), text_of(browser.get("/banners"))

    assert fragment.strip() in page
    assert 'id="banners" data-part data-workers="0"' in fragment


def test_a_missing_worker_is_said_while_downloads_wait(browser: Client, user: User) -> None:
    lives.submit(user)

    words = words_of(browser.get("/"))

    assert "No worker is running. 1 download is waiting." in words


def test_a_missing_worker_is_not_said_when_nothing_waits(browser: Client) -> None:
    browser.post("/first-steps/hide")  # they name what is missing before anything waits

    assert "No worker is running" not in words_of(browser.get("/"))


def test_a_live_worker_is_no_problem(browser: Client, user: User) -> None:
    lives.make_worker()
    lives.submit(user)

    assert "No worker is running" not in words_of(browser.get("/"))


def test_problems_of_the_machine_are_said(browser: Client, settings: Any, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    update = {"media_dir": tmp_path / "file" / "media"}
    settings.VNSITE = settings.VNSITE.model_copy(update=update)

    page = browser.get("/")

    assert page.status_code == 200
    assert "VNSITE_MEDIA_DIR" in words_of(page)


# One download.


def test_the_page_of_a_completed_download(browser: Client, user: User) -> None:
    download = lives.complete(lives.submit(user), name="Größe & Co.mp4")
    download.note(title="Größe & Co")

    page = text_of(browser.get(path_of(download)))

    assert "<title>Größe &amp; Co · vnsite</title>" in page
    assert f'src="/media/{download.correlation_id}/Gr%C3%B6%C3%9Fe%20&amp;%20Co.mp4"' in page
    assert '<video controls preload="metadata"' in page
    assert f'title="sha256 {"0" * 64}"' in page
    assert page.count("<tr id=") == 5
    assert page.index(">Completed<") < page.index("Added")


def test_subtitles_are_offered_by_the_player(browser: Client, user: User) -> None:
    subtitles = {
        "name": "clip.es-419.vtt",
        "media_type": "text/vtt",
        "role": "subtitles",
        "language": "es-419",
    }
    download = lives.complete(lives.submit(user), beside=[subtitles])

    page = text_of(browser.get(path_of(download)))

    address = f"/media/{download.correlation_id}/clip.es-419.vtt"
    assert f'<track kind="subtitles" src="{address}" srclang="es-419"' in page
    assert page.index("Video · 5 B") < page.index("Subtitles (es-419) · 5 B")


def test_the_page_says_what_came_beside_what_was_asked_for(browser: Client, user: User) -> None:
    media = {
        "uploader": "Ursula",
        "duration": 62,
        "uploaded_at": "2026-01-31T12:00:00+00:00",
        "width": 1280,
        "height": 720,
        "video_codec": "vp9",
        "audio_codec": "opus",
        "container": "webm",
    }
    warnings = [{"code": "not_fetched", "what": "thumbnail", "reason": "forbidden"}]
    download = lives.submit(user, quality="1080p")
    lives.complete(download, media=media, data={"warnings": warnings})

    words = words_of(browser.get(path_of(download)))

    assert "Ursula · 1 min 02 s · 2026-01-31" in words
    assert "1280 x 720 · vp9 · opus · webm" in words
    assert "1080p asked, 720p is the best here." in words
    assert (
        words.count("The thumbnail was not fetched: the site refused it.") == 2
    )  # in the history, too


@pytest.mark.parametrize(
    ("quality", "width", "height"), [("1080p", 1920, 1080), ("720p", 720, 1280), ("best", 320, 180)]
)
def test_the_page_says_nothing_of_a_site_that_had_what_was_asked_for(
    browser: Client, user: User, quality: str, width: int, height: int
) -> None:
    download = lives.submit(user, quality=quality)
    lives.complete(download, media={"width": width, "height": height, "container": "mp4"})

    assert "is the best here" not in words_of(browser.get(path_of(download)))


def test_the_graph_shows_the_way_that_was_taken(browser: Client, user: User) -> None:
    download = lives.fail(lives.submit(user))

    page = text_of(browser.get(path_of(download)))

    steps = re.findall(r'<li class="step step-(\w+) [^"]*?( is-taken)?"\s*(aria-current)?', page)
    taken = [state for state, is_taken, _ in steps if is_taken]
    assert [state for state, _, _ in steps] == list(State)
    assert taken == ["created", "initializing", "ready", "downloading", "failed"]
    assert [state for state, _, current in steps if current] == ["failed"]


def test_the_page_of_a_failed_download_answers_three_questions(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    download.move(
        State.FAILED,
        actor="test",
        reason=ErrorClass.NETWORK,
        error_class=ErrorClass.NETWORK,
        error_data={"message": "Errno 111 <b>"},
    )

    page = text_of(browser.get(path_of(download)))

    assert "The site could not be reached." in page
    assert "Check the address" in page
    assert "network: Errno 111 &lt;b&gt;</pre>" in page
    assert f'formaction="{path_of(download, "retry")}"' in page


def test_cleaning_up_says_first_what_is_removed(browser: Client, user: User) -> None:
    download = lives.fail(lives.submit(user))

    words = words_of(browser.get(path_of(download)))

    assert "This removes 1 file (1.0 KiB) of the attempt" in words
    assert download.directory in words


@pytest.mark.parametrize("walk", [lives.submit, lambda user: lives.start(lives.submit(user))])
def test_every_page_of_a_download_that_is_not_over(
    browser: Client, user: User, walk: Callable[[User], Download]
) -> None:
    answer = browser.get(path_of(walk(user)))

    assert answer.status_code == 200
    assert "Cancel" in text_of(answer)


@pytest.mark.parametrize(
    "name", ["0123456789ab", "..", "%2e%2e", "a_b", "x" * 65, "a%00b", "*", "ümlaut"]
)
@pytest.mark.parametrize("action", ["", "fragment"])
def test_unknown_and_malformed_ids_are_not_found(browser: Client, name: str, action: str) -> None:
    answer = browser.get(f"/downloads/{name}/{action}")

    assert answer.status_code == 404
    assert "There is nothing here" in text_of(answer)


@pytest.mark.parametrize("action", ["cancel", "keep", "retry", "cleanup", "delete"])
def test_nobody_touches_what_is_not_theirs(browser: Client, staff: User, action: str) -> None:
    foreign = lives.submit(staff)

    assert browser.get(path_of(foreign)).status_code == 404
    assert browser.post(path_of(foreign, action)).status_code == 404
    foreign.refresh_from_db()
    assert foreign.state == State.CREATED


# Actions.


@pytest.mark.parametrize("action", ["cancel", "keep", "retry", "cleanup", "pause", "first"])
def test_actions_are_posted(browser: Client, user: User, action: str) -> None:
    download = lives.submit(user)

    assert browser.get(path_of(download, action)).status_code == 405


def test_cancel(browser: Client, user: User) -> None:
    download = lives.submit(user)

    answer = browser.post(path_of(download, "cancel"), {"next": "/?state=waiting"})

    download.refresh_from_db()
    assert (answer.status_code, answer["Location"]) == (302, "/?state=waiting")
    assert (download.state, download.outcome) == (State.CLEANED, Outcome.CANCELLED)


def test_a_recording_is_stopped_and_kept(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.filter(download=download).update(phase=Phase.RECORDING)
    before = text_of(browser.get(path_of(download)))

    answer = browser.post(path_of(download, "keep"))

    download.refresh_from_db()
    assert (answer.status_code, download.keep_requested_by) == (302, "user:ursula")
    assert ("Stop and keep" in before, "Recording" in before) == (True, True)
    after = text_of(browser.get(path_of(download)))
    assert ("Stop and keep" in after, "Stopping…" in after) == (False, True)


def test_retry(browser: Client, user: User) -> None:
    download = lives.fail(lives.submit(user))

    answer = browser.post(path_of(download, "retry"))

    download.refresh_from_db()
    assert answer["Location"] == path_of(download)
    assert download.state == State.CREATED


def test_cleanup(browser: Client, user: User) -> None:
    download = lives.fail(lives.submit(user))

    browser.post(path_of(download, "cleanup"))

    download.refresh_from_db()
    assert download.state == State.CLEANED
    assert download.transitions.last().actor == "user:ursula"


def test_a_file_that_is_not_as_it_was_published_is_not_offered(browser: Client, user: User) -> None:
    download = lives.complete(lives.submit(user))
    page = browser.get(path_of(download)).content.decode()
    assert "Save<" in page
    (django_settings.VNSITE.media_root / download.library_path / "clip.mp4").unlink()

    page = browser.get(path_of(download)).content.decode()

    assert "clip.mp4</strong> It was removed outside vnsite." in page
    assert "Save<" not in page
    assert "<video" not in page


@pytest.mark.parametrize("with_files", [True, False])
def test_delete(browser: Client, user: User, settings: Any, with_files: bool) -> None:
    download = lives.complete(lives.submit(user))
    file = settings.VNSITE.media_root / download.library_path / "clip.mp4"

    answer = browser.post(path_of(download, "delete"), {"with_files": "on"} if with_files else {})

    assert answer["Location"] == "/"
    assert not Download.objects.exists()
    assert file.exists() is not with_files


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example", ""],
)
def test_actions_lead_to_no_other_site(browser: Client, user: User, elsewhere: str) -> None:
    download = lives.submit(user)

    answer = browser.post(path_of(download, "cancel"), {"next": elsewhere})

    assert answer["Location"] == path_of(download)


@pytest.mark.parametrize(
    ("action", "walk", "state"),
    [
        ("cancel", lambda user: lives.complete(lives.submit(user)), "Completed"),
        ("retry", lives.submit, "Waiting"),
        ("retry", lambda user: lives.start(lives.submit(user)), "Downloading"),
        ("cleanup", lives.submit, "Waiting"),
        ("delete", lambda user: lives.start(lives.submit(user)), "Downloading"),
    ],
)
def test_an_action_that_the_state_does_not_allow(
    browser: Client, user: User, action: str, walk: Callable[[User], Download], state: str
) -> None:
    download = walk(user)
    before = download.state

    page = browser.post(path_of(download, action))
    fragment = browser.post(path_of(download, action), headers=SCRIPT)

    download.refresh_from_db()
    assert (page.status_code, fragment.status_code) == (409, 409)
    assert "It cannot be " in words_of(page)
    assert state in words_of(page)
    assert words_of(fragment).startswith("It cannot be ")
    assert "<html" not in text_of(fragment)
    assert download.state == before


def test_a_script_gets_no_page_for_an_action(browser: Client, user: User) -> None:
    answer = browser.post(path_of(lives.submit(user), "cancel"), headers=SCRIPT)

    assert (answer.status_code, answer.content) == (204, b"")


# All pages.


def test_an_error_has_a_page_of_its_own(rf: RequestFactory) -> None:
    answer = server_error(rf.get("/"))

    assert answer.status_code == 500
    assert "Something broke in vnsite" in text_of(answer)


@pytest.fixture
def every_page(browser: Client, user: User) -> dict[str, str]:
    lives.fail(lives.submit(user))
    actions.clean(lives.complete(lives.submit(user)), actor="test")
    lives.start(lives.submit(user))
    actions.cancel(lives.submit(user), actor="test")
    waiting = lives.submit(user)
    pages = {"wrong": text_of(add(browser, "ftp://a\nftp://b"))}
    pages["409"] = text_of(browser.post(path_of(waiting, "retry")))
    details = [path_of(download) for download in Download.objects.all()]
    for path in ["/", "/?state=failed&q=x", "/nothing", *FRAGMENTS, *details]:
        pages[path] = text_of(browser.get(path))
    browser.logout()
    pages["/login/"] = text_of(browser.get("/login/"))
    User.objects.all().delete()
    pages["/setup/"] = text_of(browser.get(first_admin.setup_path() or ""))
    pages["/setup/ expired"] = text_of(browser.get("/setup/"))
    return pages


def test_no_page_has_inline_scripts_or_styles(every_page: dict[str, str]) -> None:
    for name, page in every_page.items():
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", page), name
        for script in re.findall(r"<script[^>]*>", page):
            assert ' src="/' in script or "application/json" in script, name


def test_no_page_loads_anything_from_elsewhere(every_page: dict[str, str]) -> None:
    for name, page in every_page.items():
        assert not re.search(r'(?:src|<link[^>]*href|<use href)="(?!/)[^"]', page), name


def test_no_page_has_an_id_twice(every_page: dict[str, str]) -> None:
    for name, page in every_page.items():
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), name


def test_every_page_has_one_heading_and_a_title(every_page: dict[str, str]) -> None:
    for name, page in every_page.items():
        if name not in FRAGMENTS:
            assert page.count("<h1") == 1, name
            assert re.search(r"<title>[^<]+</title>", page), name


def test_nothing_of_a_template_is_left_over(every_page: dict[str, str]) -> None:
    for name, page in every_page.items():
        assert "{%" not in page, name
        assert "{{" not in page, name


def test_an_attempt_that_a_stop_put_back_does_not_count(browser: Client, user: User) -> None:
    download = lives.submit(user)
    lives.start(download).move(State.CREATED, actor="test", reason=Reason.WILL_RETRY)
    for _ in range(2):
        running = lives.start(download)
        running.move(
            State.CREATED, actor="test", reason=Reason.SHUTDOWN, uncounted=running.uncounted + 1
        )
    lives.start(download)

    assert "attempt 2 of 3" in words_of(browser.get("/"))
    assert "attempt 2 of 3" in words_of(browser.get(path_of(download)))
