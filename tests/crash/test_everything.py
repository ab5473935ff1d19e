"""kill -9 of everything: what was accepted is there, and every download gets its right end."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from django.contrib.auth.models import User

from downloads import tokens
from downloads.models import Download, StreamPosition, Transition
from downloads.states import State
from tests.media_server import MediaServer
from tests.serving import Serving, serving
from tests.waiting import wait_for
from tests.worker import staged_entries, temp_entries

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

ADMITTED = {
    None: {"created"},
    "created": {"initializing", "cancelled"},
    "initializing": {"ready", "failed", "cancelled", "created"},
    "ready": {"downloading", "failed", "cancelled", "created"},
    "downloading": {"completed", "failed", "cancelled", "created"},
    "completed": {"cleaned"},
    "failed": {"cleaned", "created"},
    "cancelled": {"cleaned", "created"},
    "cleaned": {"created"},
}


@pytest.fixture
def api(user: User) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {tokens.issue(user, name='test')}"
    return session


def processes_of(server: Serving) -> list[int]:
    """The serve, its worker, the warm process and all children, however deep."""
    found = [server.process.pid]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that just ended
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def kill_everything(server: Serving) -> list[int]:
    pids = processes_of(server)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # so that none of them makes another meanwhile
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.wait()
    return pids


def add_batch(server: Serving, api: requests.Session, urls: list[str]) -> list[str]:
    answer = api.post(f"{server.url}api/v1/downloads/batch", json={"urls": urls}, timeout=30)
    answer.raise_for_status()
    return [result["correlation_id"] for result in answer.json()["results"]]


def test_every_accepted_download_survives_and_ends_right(
    api: requests.Session, media_server: MediaServer
) -> None:
    urls = [media_server.url(f"/small/{number}.mp4?everything") for number in range(20)]
    urls += [media_server.url(f"/slow.mp4?rate=3000000&n={number}") for number in range(4)]
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}

    with serving(**allowed) as server:
        accepted = add_batch(server, api, urls)
        kill_everything(server)
    assert set(accepted) == set(Download.objects.values_list("correlation_id", flat=True))

    with serving(**allowed):
        wait_for(
            lambda: not Download.objects.exclude(state=State.CLEANED).exists(),
            seconds=90,
            what="every download to end",
        )

    assert set(Download.objects.values_list("outcome", flat=True)) == {"completed"}
    assert temp_entries() == staged_entries() == []
    assert_history_is_whole()


def test_killed_in_the_middle_of_downloads_leaves_no_process_and_no_file(
    api: requests.Session, media_server: MediaServer
) -> None:
    urls = [media_server.url(f"/slow.mp4?rate=1000000&kill={number}") for number in range(4)]
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}

    with serving(**allowed) as server:
        add_batch(server, api, urls)
        wait_for(
            lambda: Download.objects.filter(state=State.DOWNLOADING).count() == len(urls),
            what="all to be downloading",
        )
        pids = processes_of(server)
        server.send(signal.SIGKILL)  # only the main process: the rest must follow by itself
        server.wait()
        wait_for(lambda: not any(map(is_alive, pids)), what="the rest to end")

    with serving(**allowed):
        wait_for(
            lambda: Download.objects.filter(outcome="completed").count() == len(urls),
            seconds=90,
            what="every download to complete",
        )

    assert_history_is_whole()


def test_ctrl_c_leaves_no_process(api: requests.Session, media_server: MediaServer) -> None:
    with serving(VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin) as server:
        add_batch(server, api, [media_server.url("/slow.mp4?rate=20000&ctrl-c")])
        wait_for(lambda: Download.objects.filter(state=State.DOWNLOADING).exists())
        pids = processes_of(server)

        server.send(signal.SIGINT)
        server.send(signal.SIGINT)

        assert server.wait() == 0
        assert [pid for pid in pids if is_alive(pid)] == []
    assert Download.objects.get().state == State.CREATED
    assert temp_entries() == []


def is_alive(pid: int) -> bool:
    """Whether the process is there and is not a zombie that nobody has collected yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(") ")[2][0] not in "ZX"


def assert_history_is_whole() -> None:
    """seq is 1..n without a gap, each move is legal, and each row is where its history ends."""
    entries = list(Transition.objects.order_by("seq"))
    assert [entry.seq for entry in entries] == list(
        range(entries[0].seq, StreamPosition.current() + 1)
    )
    last: dict[int, str | None] = {}
    for entry in entries:
        assert entry.from_state == last.get(entry.download_id)
        assert entry.to_state in ADMITTED[entry.from_state]
        last[entry.download_id] = entry.to_state
    assert last == dict(Download.objects.values_list("pk", "state"))
