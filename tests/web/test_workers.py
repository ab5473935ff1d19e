"""The page of the workers, and the warning on every page that nobody works."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads.models import Preferences, Worker
from tests.helpers import lives

pytestmark = pytest.mark.django_db

LEASE = 60


@pytest.fixture
def page(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def others(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def worker(name: str = "box-12-ab34", *, silent_seconds: float = 0, **values: Any) -> Worker:
    now = timezone.now()
    return Worker.objects.create(
        name=name,
        host="box",
        pid=4711,
        slots=4,
        yt_dlp="2026.1.2",
        started_at=now,
        heartbeat_at=now - timedelta(seconds=silent_seconds),
        **values,
    )


def shown(client: Client, address: str = "/workers/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_worker_is_a_row_with_all_that_staff_ask_about(page: Client) -> None:
    worker(cpu_percent=12.4, memory_bytes=300 * 2**20, version="0.1.0")

    html = shown(page)

    of_one = ("worker 1 (box)", "Alive", "0 of 4", "12 %", "300 MiB", "box", "4711", "Drain")
    for words in (*of_one, "vnsite 0.1.0", "yt-dlp 2026.1.2"):
        assert words in html


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"silent_seconds": LEASE / 2}, "Late"),
        ({"silent_seconds": LEASE + 1}, "Lost"),
        ({"draining_at": timezone.now()}, "Draining"),
    ],
)
def test_the_state_of_a_worker_is_said(page: Client, values: dict[str, Any], word: str) -> None:
    worker(**values)

    assert f">{word}</span>" in shown(page)


def test_a_worker_names_what_it_works_on_to_whom_it_concerns(
    page: Client, others: Client, user: User
) -> None:
    busy = worker()
    theirs = lives.start(lives.submit(user, url="https://site.example/theirs"), worker=busy)
    foreign = lives.start(lives.submit(url="https://site.example/foreign"), worker=busy)

    to_staff, to_others = shown(page), shown(others)

    assert f"/downloads/{theirs.correlation_id}/" in to_staff
    assert f"/downloads/{foreign.correlation_id}/" in to_staff
    assert f"/downloads/{theirs.correlation_id}/" in to_others
    assert foreign.correlation_id not in to_others
    assert "2 of 4" in to_others


def test_others_see_no_process_no_check_and_no_report(others: Client) -> None:
    worker()

    html = shown(others)

    assert "worker 1 (box)" in html
    for words in ("4711", "Checks", "Copy report", "Drain", "Orphans", "Open live updates"):
        assert words not in html
    assert others.get("/workers/?part=checks").status_code == 403


def test_staff_let_a_worker_drain_and_resume(page: Client) -> None:
    row = worker()

    page.post(f"/workers/{row.name}/drain")
    row.refresh_from_db()
    since = row.draining_at
    page.post(f"/workers/{row.name}/drain")
    row.refresh_from_db()

    assert since is not None
    assert row.draining_at == since
    assert "Resume" in shown(page)

    page.post(f"/workers/{row.name}/resume")
    row.refresh_from_db()
    assert row.draining_at is None


def test_nobody_else_does(page: Client, others: Client) -> None:
    row = worker()

    assert others.post(f"/workers/{row.name}/drain").status_code == 403
    assert page.get(f"/workers/{row.name}/drain").status_code == 405
    assert page.post("/workers/unknown/drain").status_code == 404
    row.refresh_from_db()
    assert row.draining_at is None


def test_the_checks_of_doctor_are_shown_with_their_remedies(
    page: Client, settings: Any, tmp_path: Any
) -> None:
    settings.VNSITE = settings.VNSITE.model_copy(update={"min_free_bytes": 2**60})

    html = shown(page)

    assert ">Fail</span>" in html
    assert "Make room, or lower VNSITE_MIN_FREE_BYTES." in html
    assert ">OK</span>" in html


def test_a_command_in_a_remedy_can_be_copied(page: Client, settings: Any, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40)
    key.chmod(0o644)
    update = {"secret_key": "", "secret_key_file": key}
    settings.VNSITE = settings.VNSITE.model_copy(update=update)

    assert f">chmod 600 {key}</code>" in shown(page)


def test_what_is_wrong_is_named_before_what_is_fine(page: Client) -> None:
    levels = re.findall(r"is-(error|warning|info|success)\">", shown(page, "/workers/?part=checks"))

    order = ["error", "warning", "info", "success"]
    assert set(levels) >= {"error", "info", "success"}  # no worker; curl_cffi; the folders
    assert levels == sorted(levels, key=order.index)


def test_a_page_over_plain_http_says_what_a_browser_withholds(page: Client) -> None:
    assert "<strong>https</strong>" in shown(page)
    assert "This page came over plain http." in shown(page)


def test_a_proxy_is_tried_by_hand_without_scripts(page: Client) -> None:
    assert "Bearer TOKEN&quot; http://testserver/events/" in shown(page).replace('"', "&quot;")


@pytest.mark.parametrize("part", ["now", "queue", "checks"])
def test_the_page_asks_for_its_parts_alone(page: Client, part: str) -> None:
    worker()

    alone = shown(page, f"/workers/?part={part}")

    assert f'hx-get="?part={part}"' in shown(page)
    assert "<html" not in alone
    assert "hx-get" not in alone


def test_who_wants_pages_to_start_paused_gets_this_one_paused(page: Client, staff: User) -> None:
    assert 'id="pause" type="button" aria-pressed="false"' in shown(page)

    Preferences.objects.create(user=staff, starts_paused=True)

    assert 'id="pause" type="button" aria-pressed="true"' in shown(page)


def test_checks_are_made_again_when_somebody_asks(page: Client, settings: Any) -> None:
    assert ">Fail</span> <strong>free space" not in shown(page)
    settings.VNSITE = settings.VNSITE.model_copy(update={"min_free_bytes": 2**60})

    assert ">Fail</span> <strong>free space" not in shown(page)
    assert ">Fail</span> <strong>free space" in shown(page, "/workers/?again=1")


def test_the_queue_says_what_waits_for_how_long_and_what_failed(
    page: Client, others: Client, user: User
) -> None:
    lives.fail(lives.submit())
    lives.submit()
    lives.submit(user)

    to_staff, to_others = shown(page), shown(others)

    assert "<dt>Waiting</dt><dd>2</dd>" in to_staff
    assert "<dt>Oldest</dt><dd><time" in to_staff
    assert "1 <code>" in to_staff
    assert "2 waiting now, at most 2 in the last 24 hours." in to_staff
    assert "1 waiting now, at most 1 in the last 24 hours." in to_others
    assert 'q=error:unavailable">1' in to_staff
    assert "<dt>Waiting</dt><dd>1</dd>" in to_others
    assert "1 <code>" not in to_others


def test_orphans_are_counted_by_the_workers_that_found_them(page: Client) -> None:
    worker(orphans_mended=3)
    worker("box-13-cd56", orphans_mended=1, orphans_left=2)

    assert "6 found, 4 cleaned up" in shown(page)


def test_the_report_has_versions_workers_and_checks_without_secrets(
    page: Client, settings: Any
) -> None:
    worker()

    html = shown(page)
    report = html[html.index('id="report"') :]

    for words in ("vnsite 0", "Python 3", "worker box-12-ab34: alive, 0 of 4", "yt-dlp"):
        assert words in report
    assert settings.SECRET_KEY not in report


@pytest.mark.parametrize("address", ["/account/", "/cookies/", "/presets/", "/help/", "/workers/"])
def test_every_page_warns_while_something_waits_and_nobody_works(
    others: Client, user: User, address: str
) -> None:
    lives.submit(user)

    assert "No worker is running." in shown(others, address)
    assert "1 download is waiting." in shown(others, address)


@pytest.mark.parametrize("address", ["/account/", "/"])
def test_the_warning_tells_a_draining_worker_from_none(
    others: Client, user: User, address: str
) -> None:
    lives.submit(user)
    worker(draining_at=timezone.now())

    assert shown(others, address).count("Every worker is draining.") == 1

    worker("box-13-cd56")
    assert "Every worker is draining." not in shown(others, address)


@pytest.mark.parametrize("works", [True, False])
def test_there_is_no_warning_without_need(others: Client, user: User, works: bool) -> None:
    lives.submit(user if works else None)
    if works:
        worker()

    assert "No worker is running." not in shown(others, "/account/")
