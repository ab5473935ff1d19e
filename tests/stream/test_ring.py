"""The newest frames in memory."""

from downloads.stream.frames import Frame
from downloads.stream.ring import News, Ring


def frame(seq: int, *, owner_id: int | None = 1, correlation_id: str = "aaa") -> Frame:
    data = f"<{seq}>".encode()
    return Frame(seq=seq, owner_id=owner_id, correlation_id=correlation_id, data=data)


def ring_of(*seqs: int, start: int = 0, size: int = 100) -> Ring:
    ring = Ring(start, size=size)
    ring.add(frame(seq) for seq in seqs)
    return ring


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


def begun_with(*seqs: int, newest: int) -> Ring:
    news = News(lambda: None, fresh_seconds=60)
    news.begin(newest, [frame(seq) for seq in seqs])
    assert news.ring is not None
    return news.ring


def test_news_begin_with_what_was_last() -> None:
    ring = begun_with(4, 5, 6, newest=6)

    assert (ring.start, ring.newest, seqs(ring.after(4))) == (3, 6, [5, 6])


def test_news_begin_after_what_is_missing() -> None:
    ring = begun_with(3, 5, 6, newest=6)

    assert (ring.start, ring.newest, seqs(ring.after(0))) == (4, 6, [5, 6])


def test_news_begin_empty_when_the_newest_is_missing() -> None:
    ring = begun_with(4, 5, newest=6)

    assert (ring.start, ring.newest, ring.after(0)) == (6, 6, [])
