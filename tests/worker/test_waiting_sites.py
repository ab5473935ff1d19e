"""A site that refuses us, with real workers: it is left alone for a while, and others go on."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from downloads.models import Download, Site
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import history, running_worker, submit, wait_for_state

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


class RefusingSite:
    """A site on loopback that refuses everybody until it is told to be kind."""

    def __init__(self, site: ScriptedSite, media: MediaServer) -> None:
        self._site = site
        self._video = media.file("video.mp4").read_bytes()
        self.refusal = Answer(status=429)
        self.refusals: dict[str, Answer] = {}  # of single URLs
        self.is_kind = threading.Event()

    @property
    def host(self) -> str:
        return self._site.origin

    def submit(self, name: str) -> Download:
        path = f"/{name}.mp4"
        return submit(self._site.serve(path, self._answer))

    def asked_for(self, name: str) -> int:
        return len(self._site.requests_of(f"/{name}.mp4"))

    def _answer(self, request: Request) -> Answer:
        if self.is_kind.is_set():
            return Answer(body=self._video, media_type="video/mp4")
        return self.refusals.get(self._site.url(request.path), self.refusal)


@pytest.fixture
def refusing(scripted_site: ScriptedSite, media_server: MediaServer) -> Iterator[RefusingSite]:
    yield RefusingSite(scripted_site, media_server)


def environment(refusing: RefusingSite, media_server: MediaServer, **more: str) -> dict[str, str]:
    """Two refusals make a site wait, and for so long that no test sees the end of it."""
    return {
        "VNSITE_ALLOW_PRIVATE_HOSTS": f"127.0.0.1,{refusing.host},{media_server.origin}",
        "VNSITE_SITE_FAILURES": "2",
        "VNSITE_SITE_WAIT_SECONDS": "1800",
        "VNSITE_MAX_ATTEMPTS": "1",
        **more,
    }


def wait_until_it_waits(host: str) -> Site:
    waiting = Site.objects.filter(host=host).exclude(waits_until=None)
    wait_for(waiting.exists, what=f"{host} to wait")
    return waiting.get()


def fail_twice(refusing: RefusingSite) -> None:
    for name in ("first", "second"):
        refusing.submit(name).note(max_attempts=1)


@pytest.mark.parametrize(
    ("status", "error_class"), [(429, "rate_limited"), (403, "forbidden"), (503, "network")]
)
def test_a_site_that_refuses_is_left_alone_and_others_go_on(
    refusing: RefusingSite, media_server: MediaServer, status: int, error_class: str
) -> None:
    refusing.refusal = Answer(status=status)
    fail_twice(refusing)

    with running_worker("--concurrency", "1", **environment(refusing, media_server)) as worker:
        site = wait_until_it_waits(refusing.host)
        waiting = refusing.submit("waiting")
        other = submit(media_server.url("/small/1.mp4"))
        wait_for_state(other, "cleaned")
        worker_said = worker.log()

    waiting.refresh_from_db()
    assert (site.failures, site.error_class) == (2, error_class)
    assert other.outcome == "completed"
    assert history(waiting) == [("created", "submitted")]
    assert waiting.attempt == 0
    assert refusing.asked_for("waiting") == 0
    assert f"{refusing.host} waits until" in worker_said


def test_a_site_that_nobody_can_connect_to_is_left_alone(
    refusing: RefusingSite, media_server: MediaServer
) -> None:
    with socket.socket() as deaf:  # its port is taken, and nobody listens there
        deaf.bind(("127.0.0.1", 0))
        origin = f"127.0.0.1:{deaf.getsockname()[1]}"
        downloads = [submit(f"http://{origin}/{number}.mp4") for number in range(3)]
        Download.objects.filter(pk__in=[each.pk for each in downloads]).update(max_attempts=1)
        settings = environment(refusing, media_server)
        with running_worker("--concurrency", "1", "--once", **settings) as worker:
            worker.wait()

    site = Site.objects.get(host=origin)
    assert (site.failures, site.error_class) == (2, "network")
    assert site.waits_until is not None
    states = Download.objects.order_by("id").values_list("state", "error_class", "attempt")
    assert list(states) == [("cleaned", "network", 1)] * 2 + [("created", None, 0)]


def test_retry_after_of_the_site_is_how_long_it_is_left_alone(
    refusing: RefusingSite, media_server: MediaServer
) -> None:
    refusing.refusal = Answer(status=429, headers={"Retry-After": "2500"})
    fail_twice(refusing)

    settings = environment(refusing, media_server, VNSITE_SITE_WAIT_SECONDS="1")
    with running_worker("--concurrency", "1", **settings):
        site = wait_until_it_waits(refusing.host)

    assert site.waits_until is not None
    assert 2400 < (site.waits_until - timezone.now()).total_seconds() <= 2500


@pytest.mark.both_databases
def test_after_the_wait_all_try_and_when_the_site_answers_the_count_begins_again(
    refusing: RefusingSite, media_server: MediaServer
) -> None:
    fail_twice(refusing)

    settings = environment(refusing, media_server)
    with running_worker("--concurrency", "4", **settings):
        wait_until_it_waits(refusing.host)
        waiting = [refusing.submit(f"waiting-{number}") for number in range(6)]
        refused_again = Site.objects.filter(host=refusing.host, failures=3)
        assert Site.objects.try_now(refusing.host)
        wait_for(refused_again.exclude(waits_until=None).exists, what="the next wait")
        wait_for(lambda: not Download.objects.running().exists(), what="the herd to end")
        tried = sum(refusing.asked_for(f"waiting-{number}") > 0 for number in range(6))
        refusing.is_kind.set()
        assert Site.objects.try_now(refusing.host)
        for download in waiting:
            wait_for_state(download, "cleaned")

    assert 1 <= tried <= 4  # the slots bound the herd
    assert [each.outcome for each in waiting] == ["completed"] * 6
    site = Site.objects.get(host=refusing.host)
    assert (site.failures, site.waits_until) == (0, None)


def test_retry_after_of_one_download_is_honoured_within_limits_and_its_slot_is_free(
    refusing: RefusingSite, media_server: MediaServer
) -> None:
    tomorrow = format_datetime(timezone.now() + timedelta(hours=20), usegmt=True)
    seconds_of = {  # what the site says → how long is waited
        "600": (590, 600),
        tomorrow: (3590, 3600),
        "1000000000": (3590, 3600),
        "-30": (0, 2),
        "soon": (0, 2),
    }
    refused = {value: refusing.submit(f"refused-{n}") for n, value in enumerate(seconds_of)}
    for value, download in refused.items():
        refusing.refusals[download.url] = Answer(status=429, headers={"Retry-After": value})
        download.note(max_attempts=2)  # so that no later try, with a longer delay, is looked at
    other = submit(media_server.url("/small/3.mp4"))

    settings = environment(
        refusing, media_server, VNSITE_SITE_FAILURES="0", VNSITE_MAX_ATTEMPTS="2"
    )
    with running_worker("--concurrency", "1", **settings):
        waits = {value: wait_of(download) for value, download in refused.items()}
        wait_for_state(other, "cleaned")

    for value, (least, most) in seconds_of.items():
        assert least <= waits[value] <= most, value
    assert other.outcome == "completed"


def wait_of(download: Download) -> float:
    """How long it waits after its first attempt, in seconds; 0 when it has begun again already."""
    entry = wait_for(lambda: download.transitions.filter(reason="will_retry").first())
    not_before = Download.objects.values_list("not_before", flat=True).get(pk=download.pk)
    assert entry is not None
    return max(0.0, (not_before - entry.at).total_seconds()) if not_before else 0.0
