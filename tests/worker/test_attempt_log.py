"""The log of an attempt: what is in it, who sees it, and what it survives."""

import re
import signal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads import actions
from downloads.fetch.log import Voice
from downloads.fetch.protocol import Said
from downloads.models import AttemptLog, Download
from downloads.rules.redaction import MAX_LINE_LENGTH
from downloads.worker.attempt_log import (
    FIRST_LINES,
    NEWEST_LINES,
    BoundedLines,
    LogKeeper,
)
from tests.helpers import lives
from tests.helpers.films import Film
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import running_worker, submit

pytestmark = pytest.mark.both_databases

MAX_BYTES = 64 * 1024


# The lines.


def test_few_lines_are_all_kept() -> None:
    lines = BoundedLines()
    for number in range(FIRST_LINES + NEWEST_LINES):
        lines.add(f"line {number}")

    assert lines.left_out == 0
    assert lines.text().splitlines() == [
        f"line {number}" for number in range(FIRST_LINES + NEWEST_LINES)
    ]


def test_of_many_lines_the_first_and_the_newest_are_kept() -> None:
    lines = BoundedLines()
    for number in range(2000):
        lines.add(f"line {number}")

    kept = lines.text().splitlines()
    left_out = 2000 - FIRST_LINES - NEWEST_LINES
    assert lines.left_out == left_out
    assert kept[0] == "line 0"
    assert kept[FIRST_LINES - 1 : FIRST_LINES + 2] == [
        f"line {FIRST_LINES - 1}",
        f"… {left_out} lines left out …",
        f"line {2000 - NEWEST_LINES}",
    ]
    assert kept[-1] == "line 1999"
    assert len(kept) == 500


def test_long_lines_do_not_make_a_long_log() -> None:
    lines = BoundedLines()
    for number in range(1000):
        lines.add(f"{number} " + "日" * MAX_LINE_LENGTH)

    assert len(lines.text().encode()) <= MAX_BYTES
    assert lines.text().startswith("0 ")
    assert "\n999 " in lines.text()
    assert lines.text().count("\n") - 1 + lines.left_out == 1000


def said_by(voice: Voice) -> list[Said]:
    said: list[Any] = []
    voice.speak_to(said.append)
    return said


def test_what_yt_dlp_says_is_told_with_its_level() -> None:
    voice = Voice()
    voice.debug("in the fork server nobody listens")
    said = said_by(voice)

    voice.debug("[download] Destination: media.mp4")
    voice.debug("[debug] more")
    voice.warning("careful; please report this issue on  https://github.com/yt-dlp/yt-dlp")
    voice.error("ERROR: [x] broke\nin two lines\n\n")

    assert said == [
        Said(level="info", text="[download] Destination: media.mp4"),
        Said(level="debug", text="[debug] more"),
        Said(level="warning", text="careful"),
        Said(level="error", text="[x] broke"),
        Said(level="error", text="in two lines"),
    ]


def test_what_yt_dlp_says_is_redacted_escaped_and_cut() -> None:
    voice = Voice()
    said = said_by(voice)

    voice.info("at https://u:secret@host/?token=secret \x1b[31m" + "x" * 100_000)

    [only] = said
    assert "secret" not in only.text
    assert only.text.isprintable()
    assert len(only.text) == MAX_LINE_LENGTH


# The rows.


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_an_attempt_has_one_row_that_grows() -> None:
    download = lives.start(lives.submit())
    keeper = LogKeeper(download)

    keeper.note("one token=secret")
    keeper.write()
    keeper.take(Said(level="warning", text="two"))
    keeper.write()

    [row] = download.logs.all()
    assert row.attempt == 1
    assert re.fullmatch(r"\S+ \S+ info    one token=\[redacted\]\n\S+ \S+ warning two\n", row.text)


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_nothing_new_writes_nothing(django_assert_num_queries: Any) -> None:
    keeper = LogKeeper(lives.start(lives.submit()))
    keeper.note("one")
    keeper.write()

    with django_assert_num_queries(0):
        keeper.write()
        keeper.write_if_due()


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_worker_that_lost_its_download_writes_nothing_into_the_next_log() -> None:
    first = lives.fail(lives.submit())
    late = LogKeeper(first)
    again = Download.objects.get(pk=first.pk)
    actions.retry(again, actor="test")
    second = lives.start(again)
    keeper = LogKeeper(second)
    keeper.note("of the second")
    keeper.write()

    late.note("of the first")
    late.write()

    texts = {log.attempt: log.text for log in second.logs.all()}
    assert "of the first" in texts[1]
    assert "of the second" in texts[2]
    assert "of the first" not in texts[2]


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_of_a_download_that_was_deleted_nothing_is_kept() -> None:
    download = lives.fail(lives.submit())
    keeper = LogKeeper(download)
    keeper.note("late")
    Download.objects.get(pk=download.pk).forget()

    keeper.write()

    assert not AttemptLog.objects.exists()


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_a_log_goes_with_its_download() -> None:
    download = lives.fail(lives.submit())
    AttemptLog.objects.keep(AttemptLog(download=download, attempt=1, text="a line\n"))

    download.forget()

    assert not AttemptLog.objects.exists()


@pytest.mark.usefixtures("shared_db")
def test_a_text_that_no_database_takes_is_kept_all_the_same() -> None:
    download = lives.submit()

    AttemptLog.objects.keep(AttemptLog(download=download, attempt=1, text="a\0b\ud800c"))

    assert download.logs.get().text == "ab?c"


# With a real worker.


@pytest.mark.sqlite
@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_an_attempt_that_failed_says_how(
    scripted_site: ScriptedSite,
) -> None:
    url = scripted_site.serve("/gone", Answer(status=404))
    download = submit(url)
    environment = {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}

    with running_worker("--once", **environment) as worker:
        assert worker.wait(90) == 0

    log = download.logs.get()
    assert log.attempt == 1
    assert f"[generic] Extracting URL: {url}" in log.text
    assert "error   unavailable: [generic] gone: Unable to download webpage" in log.text


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_each_attempt_has_its_log(media_server: MediaServer, allowed: dict[str, str]) -> None:
    download = submit(media_server.url("/small/1.mp4"))

    with running_worker("--once", **allowed) as worker:
        assert worker.wait(90) == 0

    download.refresh_from_db()
    log = download.logs.get()
    assert download.outcome == "completed"
    assert log.text.splitlines()[-1].endswith("info    fetched 1 files")


@pytest.mark.sqlite
@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_what_was_written_survives_the_worker(scripted_site: ScriptedSite) -> None:
    film = Film(bytes(2**20), hold_after=2**19)
    download = submit(scripted_site.serve("/film.mp4", film))
    environment = {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}

    with running_worker(**environment) as worker:
        wait_for(download.logs.exists, seconds=60, what="the log to be written")
        worker.send(signal.SIGKILL)
        worker.wait()

    download.refresh_from_db()
    text = download.logs.get().text
    assert download.state == "downloading"
    assert "[download] Destination: media.mp4" in text
    assert " error " not in text  # it was not written because the attempt had come to an end


# Who sees it.


@pytest.fixture
def logged(user: User, clean_disk: None) -> Download:
    download = lives.submit(user)
    for attempt in range(1, 6):
        lives.fail(actions.retry(download, actor="test") if attempt > 1 else download)
        download.refresh_from_db()
        text = f"<script>attempt {attempt}</script>\n"
        AttemptLog.objects.keep(AttemptLog(download=download, attempt=attempt, text=text))
    return download


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_api_tells_the_log_of_an_attempt(user: User, logged: Download) -> None:
    response = signed_in(user).get(
        f"/api/v1/downloads/{logged.correlation_id}/log", {"attempt": "2"}
    )

    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.content.decode() == "<script>attempt 2</script>\n"


def test_without_a_number_it_is_the_newest(user: User, logged: Download) -> None:
    response = signed_in(user).get(f"/api/v1/downloads/{logged.correlation_id}/log")

    assert response.content.decode() == "<script>attempt 5</script>\n"


@pytest.mark.parametrize(
    ("attempt", "status"), [("6", 404), ("0", 422), ("-1", 422), ("x", 422), ("9" * 30, 422)]
)
def test_an_attempt_that_is_none_is_refused(
    user: User, logged: Download, attempt: str, status: int
) -> None:
    response = signed_in(user).get(
        f"/api/v1/downloads/{logged.correlation_id}/log", {"attempt": attempt}
    )

    assert response.status_code == status
    assert response.json()["detail"]


def test_a_stranger_finds_no_log(logged: Download) -> None:
    stranger = User.objects.create_user("samuel")

    response = signed_in(stranger).get(f"/api/v1/downloads/{logged.correlation_id}/log")

    assert response.status_code == 404
    assert response.json() == {"detail": "There is no such download."}


@pytest.mark.parametrize("part", ["", "fragment"])
def test_the_page_shows_the_newest_logs_folded_and_links_to_the_others(
    user: User, logged: Download, part: str
) -> None:
    page = signed_in(user).get(f"/downloads/{logged.correlation_id}/{part}").content.decode()

    shown = re.findall(r"<summary>Log of attempt (\d)</summary>", page)
    assert sorted(map(int, shown)) == [3, 4, 5]
    assert "&lt;script&gt;attempt 5&lt;/script&gt;" in page
    assert "<script>attempt" not in page
    for attempt in range(1, 6):
        assert f'/api/v1/downloads/{logged.correlation_id}/log?attempt={attempt}"' in page


def test_the_admin_shows_it_and_cannot_change_it(staff: User, logged: Download) -> None:
    page = signed_in(staff).get(f"/admin/downloads/download/{logged.pk}/change/").content.decode()

    assert "<pre>&lt;script&gt;attempt 3&lt;/script&gt;" in page
    assert 'name="logs-0-text"' not in page
