"""Many at once, with connections and processes of their own, on whichever database it is."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from downloads import actions
from downloads.models import Download, StreamPosition, Transition, submissions
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from tests.helpers import lives
from tests.helpers.worker import ROOT, worker_environment

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db")]

Work = Callable[[int], object]


def at_once(number: int, work: Work) -> None:
    """Do the work in so many threads, all from the same moment on; raises what one of them did."""
    barrier = threading.Barrier(number)
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            barrier.wait()
            work(index)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def wishes(*names: str) -> list[tuple[str, DownloadOptions]]:
    return [(f"https://example.org/{name}", DownloadOptions()) for name in names]


@contextmanager
def claimer() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.claimer"],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def assert_seqs_have_no_gap() -> None:
    seqs = list(Transition.objects.values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert StreamPosition.current() == len(seqs)


def test_eight_worker_processes_claim_each_of_200_downloads_once() -> None:
    names = [str(number) for number in range(200)]
    submissions.submit(wishes(*names), owner=None, actor="test")
    outputs: list[str] = []
    with ExitStack() as stack:
        claimers = [stack.enter_context(claimer()) for _ in range(8)]
        for process in claimers:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        at_once(8, lambda index: outputs.append(claimers[index].communicate("go\n")[0]))

    claims = [tuple(map(int, line.split())) for output in outputs for line in output.splitlines()]
    assert len(claims) == 200
    assert Counter(claims) == Counter(
        (pk, 1) for pk in Download.objects.values_list("pk", flat=True)
    )
    assert Download.objects.values("directory").distinct().count() == 200
    assert Transition.objects.filter(to_state="initializing").count() == 200
    assert_seqs_have_no_gap()


def test_one_wish_50_times_at_once_is_one_download(user: User) -> None:
    answers: list[tuple[int, bool]] = []

    def submit(index: int) -> None:
        [answer] = submissions.submit(wishes("same"), owner=user, actor="test")
        answers.append((answer.download.pk, answer.created))

    at_once(50, submit)

    [download] = Download.objects.all()
    assert Counter(answers) == {(download.pk, True): 1, (download.pk, False): 49}
    assert_seqs_have_no_gap()


def test_batches_in_opposite_order_do_not_wait_for_each_other_for_ever(user: User) -> None:
    names = [str(number) for number in range(400)]

    def submit(index: int) -> None:
        batch = wishes(*(names if index % 2 else reversed(names)))
        submissions.submit(batch, owner=user, actor="test")

    at_once(8, submit)

    assert Download.objects.count() == 400
    assert_seqs_have_no_gap()


def test_a_wish_that_is_retried_and_submitted_at_once_is_active_once(user: User) -> None:
    for number in range(20):
        [first] = submissions.submit(wishes(str(number)), owner=user, actor="test")
        ended = actions.cancel(first.download, actor="test")

        def submit_or_retry(index: int, name: str = str(number), ended: Download = ended) -> None:
            if index:
                submissions.submit(wishes(name), owner=user, actor="test")
                return
            try:
                actions.retry(ended, actor="test")
            except actions.NotAllowed:
                assert Download.objects.active().exclude(pk=ended.pk).exists()

        at_once(2, submit_or_retry)

        assert Download.objects.active().filter(fingerprint=ended.fingerprint).count() == 1
    assert_seqs_have_no_gap()


def test_the_first_seqs_ever_are_taken_at_once_without_a_gap() -> None:
    assert not StreamPosition.objects.exists()

    at_once(8, lambda index: lives.submit())

    assert_seqs_have_no_gap()


def test_seqs_become_visible_in_their_order() -> None:
    """Writers keep their transactions open for a while after they took a seq."""
    writers, each = 8, 10
    seen: list[int] = []
    done = threading.Event()

    def write(index: int) -> None:
        for number in range(each):
            with transaction.atomic():
                lives.submit()
                time.sleep((index * 7 + number * 3) % 5 / 1000)

    def read() -> None:
        is_last = False
        while not is_last:
            is_last = done.is_set()
            after = seen[-1] if seen else 0
            seen.extend(
                Transition.objects.filter(seq__gt=after)
                .order_by("seq")
                .values_list("seq", flat=True)
            )
            # Who lets go of the interpreter and takes it again at once starves all other threads.
            time.sleep(0.0005)
        connections.close_all()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        at_once(writers, write)
    finally:
        done.set()
        reader.join()

    assert seen == list(range(1, writers * each + 1))


def test_a_cancel_while_it_is_claimed_is_never_lost() -> None:
    worker = lives.make_worker()
    for _ in range(30):
        download = lives.submit()

        def cancel_or_claim(index: int, download: Download = download) -> None:
            if index:
                lives.claim_next(worker)
            else:
                actions.cancel(download, actor="test")

        at_once(2, cancel_or_claim)

        download.refresh_from_db()
        if download.state == State.INITIALIZING:
            assert download.cancel_requested_at is not None
            download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
        else:
            assert (download.state, download.outcome) == ("cleaned", "cancelled")
    assert_seqs_have_no_gap()
