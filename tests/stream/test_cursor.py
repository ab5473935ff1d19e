"""Cursors: everything once, in order, and only what the listener may see."""

from downloads.stream.cursor import Cursor
from downloads.stream.events import Resync, deleted, resync
from downloads.stream.frames import Frame, Report
from downloads.stream.ring import News, Ring
from tests.stream.test_frames import numbers
from tests.stream.test_ring import frame, ring_of


def report(name: str, *, version: int, owner_id: int | None = 1) -> Report:
    return Report(
        version=version, owner_id=owner_id, correlation_id=name, data=f'"{name}"'.encode()
    )


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

    assert cursor.take_transitions(ring) == resync(Resync.GAP)
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


def gone(seq: int, name: str, *, owner_id: int | None = 1) -> Frame:
    return Frame(seq=seq, owner_id=owner_id, correlation_id=name, data=b"", is_deletion=True)


def test_deletions_that_follow_each_other_are_one_event_of_what_the_user_had() -> None:
    cursor = Cursor(seq=0, owner_id=1)
    ring = Ring(0)
    ring.add([frame(1), gone(2, "a"), gone(3, "foreign", owner_id=2), gone(4, "b"), frame(5)])

    assert cursor.take_transitions(ring) == b"<1>" + deleted(["a", "b"], seq=4) + b"<5>"


def test_a_cursor_of_one_download_sees_no_other_and_no_stats() -> None:
    cursor = Cursor(seq=0, owner_id=1, correlation_id="aaa")
    ring = Ring(0)
    ring.add([frame(1), frame(2, correlation_id="bbb"), frame(3, owner_id=2)])

    assert cursor.take_transitions(ring) == b"<1>"
    assert cursor.take_reports([report("bbb", version=1)]) == b""
    assert cursor.take_stats(numbers()) == b""


def test_a_cursor_takes_only_reports_that_are_different() -> None:
    cursor = Cursor(seq=0, owner_id=1)
    foreign = report("c", version=2, owner_id=2)

    first = cursor.take_reports([report("a", version=1), report("b", version=1)])
    second = cursor.take_reports([report("a", version=1), report("b", version=2), foreign])

    assert first == b'event: progress\ndata: ["a","b"]\n\n'
    assert second == b'event: progress\ndata: ["b"]\n\n'
    assert cursor.take_reports([report("b", version=2)]) == b""


def test_a_slow_cursor_gets_the_newest_report_only() -> None:
    cursor = Cursor(seq=0, owner_id=None)

    assert cursor.take_reports([report("a", version=9)]) == (b'event: progress\ndata: ["a"]\n\n')


def test_a_cursor_takes_stats_only_when_its_own_are_different() -> None:
    cursor = Cursor(seq=0, owner_id=1)

    assert cursor.take_stats(None) == b""
    assert cursor.take_stats(numbers()) == numbers().event_for(1)
    assert cursor.take_stats(numbers()) == b""
    assert cursor.take_stats(numbers(counts={(1, "created", ""): 2, (2, "created", ""): 9})) == b""
    assert cursor.take_stats(numbers(workers=0)) != b""


def news_of(ring: Ring, *reports: Report) -> News:
    news = News(lambda: None, fresh_seconds=60)
    news.ring = ring
    news.add([], dict(enumerate(reports)), numbers())
    return news


def test_a_cursor_takes_all_that_is_new_as_one_piece() -> None:
    cursor = Cursor(seq=0, owner_id=1)
    news = news_of(ring_of(1, 2), report("a", version=1))

    taken = cursor.take(news)

    assert taken.startswith(b"<1><2>event: progress\n")
    assert numbers().event_for(1) in taken
    assert cursor.take(news) == b""


def test_a_long_backlog_comes_before_all_else() -> None:
    ring = Ring(0)
    data = b"x" * 1000
    ring.add(Frame(seq=seq, owner_id=1, correlation_id="a", data=data) for seq in range(1, 101))
    cursor = Cursor(seq=0, owner_id=1)
    news = news_of(ring, report("a", version=1))

    first, second = cursor.take(news), cursor.take(news)

    assert b"event" not in first
    assert b"event: progress" in second


def test_a_cursor_that_goes_to_where_another_is_takes_nothing_twice() -> None:
    news = news_of(ring_of(1, 2), report("a", version=1))
    one, other = Cursor(seq=0, owner_id=1), Cursor(seq=0, owner_id=1)
    assert one.place == other.place
    one.take(news)
    assert one.place != other.place

    other.go_to(one.place)

    assert other.take(news) == b""
    assert one.place == other.place


def test_only_who_may_see_the_same_is_at_the_same_place() -> None:
    user, staff = Cursor(seq=0, owner_id=1), Cursor(seq=0, owner_id=None)

    assert user.place != staff.place
    assert user.place != Cursor(seq=0, owner_id=1, correlation_id="aaa").place
