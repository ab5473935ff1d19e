"""The stream of events: its bytes, what is read from rows, the ring, and cursors into it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from downloads.models import Progress, StreamPosition, Transition
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Phase, Reason, State
from downloads.stream import frames
from downloads.stream.frames import Bye, Frame, Report, Resync, Stats
from downloads.stream.tailer import Cursor, Ring, Throttle
from tests.helpers import lives

pytestmark = pytest.mark.both_databases

NOON = datetime(2026, 7, 1, 12, 0, 0, 250000, tzinfo=UTC)


def frame(seq: int, *, owner_id: int | None = 1, correlation_id: str = "aaa") -> Frame:
    data = f"<{seq}>".encode()
    return Frame(seq=seq, owner_id=owner_id, correlation_id=correlation_id, data=data)


def report(name: str, *, version: int, owner_id: int | None = 1) -> Report:
    return Report(
        version=version, owner_id=owner_id, correlation_id=name, data=f'"{name}"'.encode()
    )


def ring_of(*seqs: int, start: int = 0, size: int = 100) -> Ring:
    ring = Ring(start, size=size)
    ring.add(frame(seq) for seq in seqs)
    return ring


def stats(**changes: object) -> Stats:
    values = {
        "counts": {(1, "created"): 2, (2, "created"): 3, (None, "cleaned"): 1},
        "speeds": {1: 1000.4, 2: 500.0},
        "free_bytes": 2**30,
        "workers": 1,
    }
    return Stats(**{**values, **changes})  # type: ignore[arg-type]


# Bytes


def test_an_event_with_a_seq_has_it_as_id() -> None:
    assert frames.encode("name", {"key": [1, None]}, seq=7) == (
        b'id: 7\nevent: name\ndata: {"key":[1,null]}\n\n'
    )


def test_an_event_without_a_seq_leaves_the_last_id_alone() -> None:
    assert frames.encode("name", {}) == b"event: name\ndata: {}\n\n"


def test_a_line_break_cannot_end_the_data() -> None:
    assert frames.encode("name", "a\n\ndata: b\r\u2028") == (
        b'event: name\ndata: "a\\n\\ndata: b\\r\\u2028"\n\n'
    )


def test_hello() -> None:
    assert frames.hello(seq=7, now=NOON) == (
        b'event: hello\ndata: {"seq":7,"now":"2026-07-01T12:00:00.250000Z","heartbeat":15}\n\n'
    )


@pytest.mark.parametrize(("is_stale", "word"), [(False, b"false"), (True, b"true")])
def test_a_heartbeat_has_an_id_and_its_own_name(is_stale: bool, word: bytes) -> None:
    assert frames.heartbeat(seq=7, now=NOON, is_stale=is_stale) == (
        b'id: 7\nevent: heartbeat\ndata: {"now":"2026-07-01T12:00:00.250000Z","stale":%s}\n\n'
        % word
    )


@pytest.mark.parametrize("why", ["gap", "unknown"])
def test_resync(why: str) -> None:
    expected = f'event: resync\ndata: {{"why":"{why}"}}\n\n'.encode()

    assert frames.resync(Resync(why)) == expected


@pytest.mark.parametrize("why", ["age", "shutdown", "signed_out"])
def test_bye(why: str) -> None:
    assert frames.bye(Bye(why)) == f'event: bye\ndata: {{"why":"{why}"}}\n\n'.encode()


def test_a_greeting_spreads_the_browsers_that_come_back() -> None:
    pauses = set()
    for _ in range(50):
        first, _, rest = frames.greeting(seq=7, now=NOON).partition(b"\n\n")
        name, _, milliseconds = first.partition(b": ")
        pauses.add(int(milliseconds))
        assert name == b"retry"
        assert rest == frames.hello(seq=7, now=NOON)

    assert len(pauses) > 10
    assert all(1000 <= pause <= 5000 for pause in pauses)


def test_reports_are_one_list() -> None:
    reports = [report("a", version=1), report("b", version=1)]

    assert frames.join_reports(reports) == b'event: progress\ndata: ["a","b"]\n\n'


def test_no_reports_are_no_event() -> None:
    assert frames.join_reports([]) == b""


# From rows


def data_of(event: bytes) -> object:
    return json.loads(event.partition(b"data: ")[2])


def test_a_new_download_is_a_frame(user: User) -> None:
    download = lives.submit(user)

    (made,) = frames.read_frames(after=0)

    row = Transition.objects.get()
    assert (made.seq, made.owner_id, made.correlation_id) == (
        row.seq,
        user.pk,
        download.correlation_id,
    )
    assert made.data.startswith(f"id: {row.seq}\nevent: transition\ndata: ".encode())
    assert data_of(made.data) == {
        "correlation_id": download.correlation_id,
        "from": None,
        "to": "created",
        "at": row.at.isoformat().replace("+00:00", "Z"),
        "actor": "test",
        "reason": "submitted",
        "attempt": 0,
        "outcome": None,
        "error": None,
    }


def test_a_failure_says_its_error_and_outcome(user: User, clean_disk: None) -> None:
    lives.fail(lives.submit(user), ErrorClass.GEO_BLOCKED)

    data = data_of(frames.read_frames(after=0)[-1].data)

    assert isinstance(data, dict)
    assert (data["to"], data["error"], data["outcome"]) == ("failed", "geo_blocked", "failed")


def test_frames_come_in_order_after_a_seq_and_upto_one(user: User, clean_disk: None) -> None:
    lives.fail(lives.submit(user))

    first = StreamPosition.current() - 4
    assert [made.seq - first for made in frames.read_frames(after=0)] == [0, 1, 2, 3, 4]
    assert [made.seq - first for made in frames.read_frames(after=first + 2)] == [3, 4]
    middle = frames.read_frames(after=first, upto=first + 2)
    assert [made.seq - first for made in middle] == [1, 2]


def test_a_report_is_what_a_download_receives(user: User, clean_disk: None) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.update(
        phase=Phase.FETCHING, received_bytes=10, total_bytes=100, speed=5.5, eta_seconds=18.0
    )

    (made,) = frames.read_reports({}, version=3).values()

    assert (made.version, made.owner_id) == (3, user.pk)
    assert json.loads(made.data) == {
        "correlation_id": download.correlation_id,
        "phase": "fetching",
        "bytes": 10,
        "resumed": 0,
        "total": 100,
        "speed": 5.5,
        "eta": 18.0,
    }


def test_a_report_keeps_its_version_until_it_is_different(user: User, clean_disk: None) -> None:
    lives.start(lives.submit(user))
    first = frames.read_reports({}, version=1)

    same = frames.read_reports(first, version=2)
    Progress.objects.update(received_bytes=1)
    different = frames.read_reports(same, version=3)

    assert same == first
    assert [made.version for made in different.values()] == [3]


def test_a_download_that_ended_has_no_report(user: User, clean_disk: None) -> None:
    download = lives.start(lives.submit(user))
    before = frames.read_reports({}, version=1)
    download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

    assert frames.read_reports(before, version=2) == {}


def test_stats_are_read_for_all_owners_at_once(user: User, staff: User, clean_disk: None) -> None:
    lives.make_worker(heartbeat_at=lives.long_ago())
    lives.start(lives.submit(user))
    lives.submit(staff)
    lives.submit(None)
    Progress.objects.update(speed=5.0)

    read = Stats.read()

    assert read.counts == {
        (user.pk, "downloading"): 1,
        (staff.pk, "created"): 1,
        (None, "created"): 1,
    }
    assert read.speeds == {user.pk: 5.0}
    assert read.workers == 1
    assert read.free_bytes is not None


def test_an_old_speed_is_no_speed(user: User, clean_disk: None) -> None:
    lives.start(lives.submit(user))
    Progress.objects.update(speed=5.0, updated_at=timezone.now() - timedelta(minutes=1))

    assert Stats.read().speeds == {}


def test_staff_see_the_numbers_of_all() -> None:
    assert data_of(stats().event_for(None)) == {
        "counts": {**dict.fromkeys(State, 0), "created": 5, "cleaned": 1},
        "speed": 1500,
        "free": 2**30,
        "workers": 1,
    }


def test_a_user_sees_the_numbers_of_their_own() -> None:
    data = data_of(stats().event_for(1))

    assert isinstance(data, dict)
    assert data["counts"] == {**dict.fromkeys(State, 0), "created": 2}
    assert data["speed"] == 1000


# The ring


def seqs(of: list[Frame]) -> list[int]:
    return [frame.seq for frame in of]


def test_a_ring_gives_what_is_after_a_cursor() -> None:
    ring = ring_of(4, 5, 6, start=3)

    assert seqs(ring.after(3)) == [4, 5, 6]
    assert seqs(ring.after(5)) == [6]
    assert ring.after(6) == []
    assert ring.after(9) == []


def test_a_full_ring_forgets_the_oldest_and_knows_it() -> None:
    ring = ring_of(1, 2, 3, 4, 5, size=3)

    assert (ring.start, ring.newest) == (2, 5)
    assert seqs(ring.after(0)) == [3, 4, 5]


def test_an_empty_ring_is_at_its_start() -> None:
    ring = ring_of(start=7)

    assert (ring.start, ring.newest, ring.after(0)) == (7, 7, [])


# Cursors


def test_a_cursor_takes_everything_once_and_in_order() -> None:
    cursor = Cursor(seq=2, owner_id=None)
    ring = ring_of(1, 2, 3, 4)

    assert cursor.take_transitions(ring) == b"<3><4>"
    assert cursor.take_transitions(ring) == b""
    ring.add([frame(5)])
    assert cursor.take_transitions(ring) == b"<5>"


def test_a_cursor_that_is_ahead_of_the_ring_waits_for_it() -> None:
    cursor = Cursor(seq=5, owner_id=None)
    ring = ring_of(3, 4)

    assert cursor.take_transitions(ring) == b""
    ring.add([frame(5), frame(6)])
    assert cursor.take_transitions(ring) == b"<6>"


def test_a_cursor_that_fell_out_is_told_and_goes_on_from_now() -> None:
    cursor = Cursor(seq=1, owner_id=None)
    ring = ring_of(1, 2, 3, 4, 5, size=3)

    assert cursor.take_transitions(ring) == frames.resync(Resync.GAP)
    ring.add([frame(6)])
    assert cursor.take_transitions(ring) == b"<6>"


def test_a_long_backlog_is_taken_in_pieces() -> None:
    cursor = Cursor(seq=0, owner_id=None)
    data = b"x" * 1000
    ring = Ring(0)
    ring.add(Frame(seq=seq, owner_id=1, correlation_id="a", data=data) for seq in range(1, 101))

    pieces = []
    while piece := cursor.take_transitions(ring):
        pieces.append(piece)

    assert b"".join(pieces) == data * 100
    assert len(pieces) == 2


def test_a_user_sees_only_their_own() -> None:
    cursor = Cursor(seq=0, owner_id=1)
    ring = Ring(0)
    ring.add([frame(1, owner_id=1), frame(2, owner_id=2), frame(3, owner_id=None)])

    assert cursor.take_transitions(ring) == b"<1>"
    assert cursor.seq == 3


def test_staff_see_what_nobody_owns() -> None:
    cursor = Cursor(seq=0, owner_id=None)
    ring = Ring(0)
    ring.add([frame(1, owner_id=1), frame(2, owner_id=None)])

    assert cursor.take_transitions(ring) == b"<1><2>"


def test_a_cursor_of_one_download_sees_no_other_and_no_stats() -> None:
    cursor = Cursor(seq=0, owner_id=1, correlation_id="aaa")
    ring = Ring(0)
    ring.add([frame(1), frame(2, correlation_id="bbb"), frame(3, owner_id=2)])

    assert cursor.take_transitions(ring) == b"<1>"
    assert cursor.take_reports([report("bbb", version=1)], version=1) == b""
    assert cursor.take_stats(stats()) == b""


def test_a_cursor_takes_only_reports_that_are_different() -> None:
    cursor = Cursor(seq=0, owner_id=1)
    foreign = report("c", version=2, owner_id=2)

    first = cursor.take_reports([report("a", version=1), report("b", version=1)], version=1)
    second = cursor.take_reports(
        [report("a", version=1), report("b", version=2), foreign], version=2
    )

    assert first == b'event: progress\ndata: ["a","b"]\n\n'
    assert second == b'event: progress\ndata: ["b"]\n\n'
    assert cursor.take_reports([report("b", version=2)], version=2) == b""


def test_a_slow_cursor_gets_the_newest_report_only() -> None:
    cursor = Cursor(seq=0, owner_id=None)

    assert cursor.take_reports([report("a", version=9)], version=9) == (
        b'event: progress\ndata: ["a"]\n\n'
    )


def test_a_cursor_takes_stats_only_when_its_own_are_different() -> None:
    cursor = Cursor(seq=0, owner_id=1)

    assert cursor.take_stats(None) == b""
    assert cursor.take_stats(stats()) == stats().event_for(1)
    assert cursor.take_stats(stats()) == b""
    assert cursor.take_stats(stats(counts={(1, "created"): 2, (2, "created"): 9})) == b""
    assert cursor.take_stats(stats(workers=0)) != b""


# Pace


def test_what_is_not_wanted_is_not_due() -> None:
    pace = Throttle(0)
    assert pace.take() is True

    assert pace.take() is False
    assert pace.seconds_left() == float("inf")
    pace.want()
    assert pace.take() is True


def test_what_is_wanted_again_waits_for_its_time() -> None:
    pace = Throttle(1000)
    assert pace.take() is True

    pace.want()
    assert pace.take() is False
    assert 0 < pace.seconds_left() <= 1000
