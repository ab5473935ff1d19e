"""The lease as the worker sees it: when it is over, and what is not held any more after that."""

import shutil
import subprocess
import sys
import time

import pytest

from downloads.rules.lease import Lease, boot_seconds, heartbeat_seconds
from tests.helpers.manual_clock import ManualClock
from tests.helpers.worker import ROOT

LEASE_SECONDS = 60.0
SLEPT = """
import time
from downloads.rules.lease import boot_seconds
print(boot_seconds() - time.monotonic())
"""
HELD_SECONDS = 50.0  # the last sixth is left for killing


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lease(clock: ManualClock) -> Lease:
    lease = Lease(LEASE_SECONDS, clock=clock)
    lease.renew(asked_at=clock())
    return lease


def test_it_holds_until_a_margin_before_others_take_over(lease: Lease, clock: ManualClock) -> None:
    term = lease.term

    clock.seconds += HELD_SECONDS - 1
    assert lease.holds(term)
    clock.seconds += 1
    assert not lease.holds(term)


def test_before_the_first_heartbeat_nothing_is_held(clock: ManualClock) -> None:
    lease = Lease(LEASE_SECONDS, clock=clock)

    assert not lease.holds(lease.term)


def test_a_heartbeat_in_time_goes_on_with_the_same_term(lease: Lease, clock: ManualClock) -> None:
    term = lease.term

    for _ in range(10):
        clock.seconds += HELD_SECONDS - 1
        lease.renew(asked_at=clock())

    assert lease.holds(term)


def test_a_heartbeat_too_late_begins_another_term(lease: Lease, clock: ManualClock) -> None:
    """Another machine may have taken over in between, though nobody here looked."""
    earlier = lease.term
    clock.seconds += HELD_SECONDS

    lease.renew(asked_at=clock())

    assert not lease.holds(earlier)
    assert lease.holds(lease.term)


def test_it_counts_from_before_the_heartbeat_was_sent(lease: Lease, clock: ManualClock) -> None:
    """The machine was suspended while the answer was on its way."""
    asked_at = clock()
    clock.seconds += HELD_SECONDS

    lease.renew(asked_at=asked_at)

    assert not lease.holds(lease.term)


@pytest.mark.parametrize(("lease_seconds", "pause"), [(5, 5 / 6), (30, 5), (3600, 5)])
def test_five_heartbeats_may_be_lost(lease_seconds: float, pause: float) -> None:
    assert heartbeat_seconds(lease_seconds) == pytest.approx(pause)
    assert 5 * pause <= lease_seconds * 5 / 6


def test_a_suspended_machine_counts() -> None:
    """Of the clocks that never jump, only CLOCK_BOOTTIME goes on while a machine sleeps."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed: apt-get install util-linux")
    slept = subprocess.run(
        [
            "unshare",
            "--user",
            "--time",
            "--fork",
            "--boottime",
            "5000",
            sys.executable,
            "-c",
            SLEPT,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if slept.returncode != 0:
        pytest.skip(f"this machine has no time namespaces for us: {slept.stderr.strip()}")

    assert float(slept.stdout) - (boot_seconds() - time.monotonic()) > 4000
