"""`manage.py serve`: one command starts everything and one signal ends it. Real processes."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.conf import settings

from downloads.management.commands.run_downloads import NICENESS
from downloads.management.reach import own_addresses, reachable_at
from downloads.models import Worker
from tests.crash.tracing import fork_server_of
from tests.helpers.processes import alive, descendants, open_files
from tests.helpers.serving import Serving, serving
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT, worker_environment

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


@pytest.fixture
def site(shared_db: None) -> Iterator[Serving]:
    with serving() as site:
        yield site
        pids = descendants(site.process.pid)
        site.send(signal.SIGKILL)
        wait_for(lambda: not alive(pids), what="all processes to end")


def worker_and_fork_server(site: Serving) -> list[int]:
    """The worker is announced before it has started its own child. Empty until then."""
    pids = descendants(site.process.pid)
    return pids if len(pids) >= 2 else []


def worker_pid(site: Serving) -> int:
    row = Worker.objects.get(stopped_at=None)
    assert row.pid in descendants(site.process.pid)
    return row.pid


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, **worker_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


# Starting


def test_it_is_ready_when_the_page_and_the_worker_answer(site: Serving) -> None:
    assert Worker.objects.get(stopped_at=None).pid == worker_pid(site)
    assert site.ask("/login/").status == 200
    assert site.lines == [
        f"Starting. The data is in {settings.VNSITE.data_dir}",
        site.lines[1],
        f"Ready: {site.url}",
    ]
    assert site.url == "http://{}:{}/".format(*site.address)


def test_the_concurrency_is_the_workers(shared_db: None) -> None:
    with serving("--concurrency", "3"):
        assert Worker.objects.get(stopped_at=None).slots == 3


def test_without_a_worker_there_is_none(shared_db: None) -> None:
    with serving("--no-worker") as site:
        assert descendants(site.process.pid) == []
        assert not Worker.objects.exists()


def test_the_worker_does_not_hold_the_port(site: Serving) -> None:
    ours = {name for name in open_files(site.process.pid) if name.startswith("socket:")}
    theirs = set(open_files(worker_pid(site)))

    assert ours
    assert not ours & theirs


def test_the_first_worker_shares_memory_with_the_server(site: Serving) -> None:
    rollup = Path(f"/proc/{worker_pid(site)}/smaps_rollup").read_text()
    [kib] = re.findall(r"^Shared_Dirty: +(\d+) kB$", rollup, re.MULTILINE)

    assert int(kib) > 1024  # written before the fork, and by neither since


def test_a_port_in_use_leaves_no_worker(site: Serving) -> None:
    answer = run("--port", str(site.address[1]))

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"CommandError: Port {site.address[1]} is in use.")
    assert Worker.objects.count() == 1


def test_an_empty_directory_is_enough(tmp_path: Path) -> None:
    data = tmp_path / "new" / "var"
    with serving("--no-worker", VNSITE_DATA_DIR=str(data), VNSITE_DATABASE_URL="") as site:
        assert (data / "vnsite.sqlite3").exists()
        assert site.ask("/login/").status == 200
        assert descendants(site.process.pid) == []  # what made it ready has ended


def test_a_link_makes_the_first_administrator(tmp_path: Path) -> None:
    environment = {"VNSITE_DATA_DIR": str(tmp_path), "VNSITE_DATABASE_URL": ""}
    with serving("--no-worker", **environment) as site:
        _, link, _ = site.lines
        address = link.removeprefix("Make the first administrator here: ")

        assert address.startswith(site.url)
        assert site.ask("/" + address.removeprefix(site.url)).status == 200


@pytest.fixture
def other_host() -> str:
    """An address of this machine that is not loopback."""
    found = own_addresses()
    if not found:
        pytest.skip("this machine has no network")
    return found[0]


def test_it_says_at_which_links_other_machines_reach_it(tmp_path: Path, other_host: str) -> None:
    environment = {"VNSITE_DATA_DIR": str(tmp_path), "VNSITE_DATABASE_URL": ""}
    with serving("--no-worker", "--host", "0.0.0.0", **environment) as site:
        link = f"http://{other_host}:{site.address[1]}"
        [said] = [line for line in site.lines if link in line]
        assert said.startswith(f"From other machines: {link}/setup/?token=")

        with urlopen(said.removeprefix("From other machines: ")) as page:
            assert page.status == 200


def test_the_line_that_allows_a_name_keeps_the_addresses(tmp_path: Path, other_host: str) -> None:
    environment = {"VNSITE_DATA_DIR": str(tmp_path), "VNSITE_DATABASE_URL": ""}
    with serving("--no-worker", "--host", "0.0.0.0", **environment) as site:
        [said] = [line for line in site.lines if line.startswith("To be reached by a name: ")]
        setting, place = said.removeprefix("To be reached by a name: ").split(" in ", 1)
        assert place == f"{tmp_path / '.env'}, or in the environment"
        (tmp_path / ".env").write_text(setting.replace("NAME", "tv.lan"))

    with serving("--no-worker", "--host", "0.0.0.0", **environment) as site:
        assert site.ask("/login/", Host="tv.lan").status == 200
        assert site.ask("/login/", Host=other_host).status == 200


def test_only_the_hosts_of_the_settings_are_let_in(tmp_path: Path, other_host: str) -> None:
    names = {"VNSITE_ALLOWED_HOSTS": "localhost"}
    with serving("--no-worker", "--host", "0.0.0.0", **names) as site:
        assert site.ask("/login/", Host="localhost").status == 200
        assert site.ask("/login/", Host=other_host).status == 400
        assert "VNSITE_ALLOWED_HOSTS" in site.lines[-2]
        assert not any(other_host in line for line in site.lines)


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("127.0.0.1", []),
        ("::1", []),
        ("localhost", []),
        ("192.168.1.5", ["192.168.1.5"]),
        ("fd00::5", ["[fd00::5]"]),
    ],
)
def test_others_reach_what_listens_at_an_address_there(host: str, hosts: list[str]) -> None:
    assert reachable_at(host) == hosts


def test_the_settings_make_the_first_administrator(tmp_path: Path) -> None:
    environment = {
        "VNSITE_DATA_DIR": str(tmp_path),
        "VNSITE_DATABASE_URL": "",
        "VNSITE_ADMIN_USER": "ada",
        "VNSITE_ADMIN_PASSWORD": "a long password",
    }
    with serving("--no-worker", **environment) as site:
        assert site.lines[1:-1] == ["Made the administrator ada."]
    with serving("--no-worker", **environment) as site:
        assert site.lines[1:-1] == []


def test_other_host_names_do_not_hinder_the_start(tmp_path: Path) -> None:
    with serving("--no-worker", VNSITE_ALLOWED_HOSTS=".example.org") as site:
        assert site.ask("/login/", Host="www.example.org").status == 200


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "70000"], "argument --port: must be a whole number from 0 to 65535"),
        (["--concurrency", "0"], "argument --concurrency: must be a whole number from 1 to 64"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], sentence: str) -> None:
    answer = run(*arguments)

    assert answer.returncode == 2
    assert answer.stderr.endswith(f"error: {sentence}\n")


def test_a_database_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "vnsite.sqlite3").write_text("no database at all, " * 100)

    answer = run("--no-worker", VNSITE_DATA_DIR=str(tmp_path), VNSITE_DATABASE_URL="")

    assert answer.returncode == 1
    assert answer.stderr == (
        "CommandError: The site cannot be made ready: the database is damaged: file is not a"
        " database. Stop vnsite and restore the database from a backup; the library was not"
        " touched. Run manage.py doctor.\n"
    )


@contextmanager
def being_prepared(data: Path) -> Iterator[tuple[Serving, sqlite3.Connection, int]]:
    """One that waits for its database, which the connection holds, and the pid of what waits."""
    with closing(sqlite3.connect(data / "vnsite.sqlite3")) as other:
        other.execute("BEGIN EXCLUSIVE")
        starting = Serving("--no-worker", VNSITE_DATA_DIR=str(data), VNSITE_DATABASE_URL="")
        try:
            starting.wait_until_it_says("Starting.")
            [pid] = descendants(starting.process.pid)
            yield starting, other, pid
        finally:
            starting.close()


def test_it_says_when_what_makes_it_ready_was_killed(tmp_path: Path) -> None:
    with being_prepared(tmp_path) as (starting, _, pid):
        os.kill(pid, signal.SIGKILL)

        assert starting.wait() == 1
        assert starting.said() == (
            "CommandError: The site cannot be made ready: the process that prepares it ended"
            " (killed by SIGKILL).\n"
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_while_it_is_made_ready_ends_it_without_an_error(
    tmp_path: Path, number: signal.Signals
) -> None:
    with being_prepared(tmp_path) as (starting, other, pid):
        os.killpg(starting.process.pid, number)
        other.rollback()

        assert starting.wait() == 0
        assert starting.said() == ""
        assert alive([pid]) == []


def test_kill_9_while_it_is_made_ready_leaves_no_process(tmp_path: Path) -> None:
    with being_prepared(tmp_path) as (starting, _, pid):
        starting.send(signal.SIGKILL)

        # Sooner than it is tired of waiting for the database.
        wait_for(lambda: not alive([pid]), seconds=10, what="the end of what waits")


def test_worker_and_fork_server_give_way_to_pages(site: Serving) -> None:
    worker = worker_pid(site)
    fork_server = wait_for(lambda: fork_server_of(worker), what="the fork server")

    own, *theirs = (
        os.getpriority(os.PRIO_PROCESS, pid) for pid in (site.process.pid, worker, fork_server)
    )
    assert [each - own for each in theirs] == [NICENESS, NICENESS]


# Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_both_and_leaves_no_process(site: Serving, number: signal.Signals) -> None:
    pids = wait_for(lambda: worker_and_fork_server(site), what="both processes")

    site.send(number)

    assert site.wait() == 0
    assert alive(pids) == []
    assert not Worker.objects.filter(stopped_at=None).exists()


def test_a_signal_ends_both_although_nobody_reads_what_it_says(site: Serving) -> None:
    pids = wait_for(lambda: worker_and_fork_server(site), what="both processes")
    assert site.process.stdout is not None
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), site.process.stdout.fileno())  # the pipe has no reader now

    site.send(signal.SIGTERM)

    assert site.wait() == 0
    wait_for(lambda: not alive(pids), what="all processes to end")


def test_ctrl_c_in_a_terminal_is_one_signal_to_the_worker(site: Serving) -> None:
    pids = descendants(site.process.pid)

    os.killpg(site.process.pid, signal.SIGINT)

    assert site.wait() == 0
    assert alive(pids) == []
    assert not Worker.objects.filter(stopped_at=None).exists()


def test_a_second_signal_ends_both_at_once(site: Serving) -> None:
    pids = descendants(site.process.pid)

    site.send(signal.SIGINT)
    site.wait_until_it_says("Stopping.")  # two at once are one
    site.send(signal.SIGINT)

    assert site.wait() == 0
    assert alive(pids) == []


def test_a_signal_before_it_is_ready_ends_it(shared_db: None) -> None:
    starting = Serving()
    try:
        assert starting.process.stdout is not None
        starting.process.stdout.readline()
        pids = descendants(starting.process.pid)
        starting.send(signal.SIGTERM)

        assert starting.wait() == 0
        assert alive(pids) == []
    finally:
        starting.close()


def test_kill_9_leaves_no_process(site: Serving) -> None:
    pids = descendants(site.process.pid)

    site.send(signal.SIGKILL)

    wait_for(lambda: not alive(pids), what="all processes to end")


# A worker that dies


def test_a_worker_that_dies_is_replaced_and_it_is_said(site: Serving) -> None:
    first = worker_pid(site)
    os.kill(first, signal.SIGKILL)

    said = "The worker ended (killed by SIGKILL). Starting another one in 1 s.\n"
    wait_for(lambda: said in site.said(), what=said)
    second = wait_for(
        lambda: Worker.objects.exclude(pid=first).filter(stopped_at=None).first(),
        what="another worker",
    )
    assert second.pid in descendants(site.process.pid)
    assert site.ask("/login/").status == 200


def test_a_worker_that_is_restarting_does_not_hinder_the_end(site: Serving) -> None:
    os.kill(worker_pid(site), signal.SIGKILL)
    wait_for(lambda: "The worker ended" in site.said(), what="the end of the worker")

    site.send(signal.SIGTERM)

    assert site.wait() == 0
