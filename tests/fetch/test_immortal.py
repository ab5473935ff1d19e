"""What the fork server has loaded is immortal, where Python knows that; what comes later is not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from downloads.fetch import immortal
from tests.helpers.attempts import attempt, job_for, new_fork_server
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import wait_for

PREAMBLE = """
import gc, os, sys, weakref
from downloads.fetch.immortal import immortalize, immortalize_containers

class Thing:
    pass

def pages_of_a_child(do):
    pid = os.fork()
    if pid == 0:
        do()
        os._exit(0)
    return os.wait4(pid, 0)[2].ru_minflt

names = [f"name {number}" for number in range(100_000)]
things = [Thing() for _ in range(1000)]

def look():
    for each in names:
        pass
"""

where_possible = pytest.mark.skipif(
    not immortal.is_possible(), reason="this Python has no immortal objects: 3.12 has them"
)


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@where_possible
def test_a_child_that_looks_at_what_it_shares_copies_none_of_it() -> None:
    program = """
before = pages_of_a_child(look)
list(immortalize())
after = pages_of_a_child(look)
assert before > 1000 and after < 300, (before, after)
"""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


@where_possible
def test_what_there_is_can_be_changed_and_closed() -> None:
    program = """
opened = open(os.devnull)
for _ in immortalize():
    names.append("another")
longer = names[0]
longer += "!"
opened.close()
things[0].name = "first"
things.clear()
assert (longer, names[0], opened.closed, things) == ("name 0!", "name 0", True, [])
assert names[-1] == "another"
"""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


@where_possible
def test_what_is_made_afterwards_is_freed() -> None:
    program = """
list(immortalize())
thing, ring = Thing(), Thing()
ring.ring = ring
gone = [weakref.ref(thing), weakref.ref(ring)]
del thing, ring
gc.collect()
assert [each() for each in gone] == [None, None]
assert weakref.ref(things.pop())() is not None
"""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


@where_possible
def test_the_code_that_a_constant_holds_is_immortal_as_well() -> None:
    program = """
def outer():
    def inner():
        return ("a constant", 1.5)
    return inner
list(immortalize())
inner = outer.__code__.co_consts[1]
assert inner.co_name == "inner"
assert sys.getrefcount(inner) == sys.getrefcount(inner.co_consts[1]) == sys.getrefcount(None)
"""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


@where_possible
def test_what_the_collector_knows_can_be_made_immortal_alone() -> None:
    program = """
before = sys.getrefcount(names[0])
immortalize_containers()
assert sys.getrefcount(look) == sys.getrefcount(names) == sys.getrefcount(None)
assert sys.getrefcount(names[0]) == before
assert gc.get_freeze_count() > len(things)
"""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(immortal.is_possible(), reason="this Python has immortal objects")
def test_where_python_counts_all_references_nothing_is_done() -> None:
    program = """
list(immortalize())
immortalize_containers()
gone = weakref.ref(things.pop())
assert gone() is None
assert gc.get_freeze_count() > len(things)
"""
    done = run(program)

    assert (done.returncode, done.stderr) == (0, "")


# In the fork server


@where_possible
def test_a_small_download_copies_half_of_what_it_would(
    media_server: MediaServer, directory: Path
) -> None:
    fork_server = new_fork_server()
    try:
        fork_server.start()
        wait_for(lambda: has_nothing_to_do(fork_server.pid), what="the end of its preparation")
        before = pages_of_children(fork_server.pid)
        origin = (media_server.origin,)
        job = job_for(media_server.url("/video.mp4"), directory, allow_private_hosts=origin)
        ended = attempt(fork_server, job)
        pages = pages_of_children(fork_server.pid) - before
    finally:
        fork_server.close()

    assert len(ended.fetched.files) == 1
    assert 500 < pages < 1700


def has_nothing_to_do(pid: int) -> bool:
    ran = cpu_ticks(pid)
    time.sleep(0.5)
    return cpu_ticks(pid) == ran


def cpu_ticks(pid: int) -> list[str]:
    return fields_of(pid)[11:13]


def pages_of_children(pid: int) -> int:
    """The page faults of its children that it has waited for: cminflt of proc_pid_stat(5)."""
    return int(fields_of(pid)[8])


def fields_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
