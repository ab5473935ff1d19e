import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from downloads.fetch.protocol import (
    MAX_WAITING_BYTES,
    Advance,
    Broke,
    Fetched,
    ManifestFile,
    Message,
    Metadata,
    Outbox,
    PhaseBegan,
    Said,
    decode,
    encode,
)
from downloads.rules.states import Role

FILE = ManifestFile(name="media.mp4", size=3, sha256="ab", media_type="video/mp4")
SUBTITLES = replace(FILE, role=Role.SUBTITLES, language="es-419")


@pytest.mark.parametrize(
    "message",
    [
        Metadata(title="Ein “Titel”\n\ud800"),
        PhaseBegan(phase="fetching"),
        Advance(received_bytes=1, total_bytes=None, speed=2.5, eta_seconds=None),
        Said(level="info", text="“a” [b]"),
        Fetched(title="", files=[FILE, SUBTITLES]),
        Broke(kinds=["A", "B"], message="no", http_status=404, errno=2, retry_after_seconds=1.0),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    line = encode(message)

    assert decode(line) == message
    assert line.count(b"\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"null",
        b"{}",
        b"[]",
        b'["Metadata"]',
        b'["Metadata", null]',
        b'["Metadata", {}]',
        b'["Metadata", {"title": "a", "other": 1}]',
        b'["Fetched", {"title": "a"}]',
        b'["Fetched", {"title": "a", "files": [{}]}]',
        b'["Job", {}]',
        b'[["Metadata"], {}]',
        b'["Metadata", {"title": "a"}, 3]',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line)


@pytest.fixture
def worker_and_child() -> Iterator[tuple[socket.socket, socket.socket]]:
    worker, child = socket.socketpair()
    with worker, child:
        worker.setblocking(False)
        yield worker, child


def came(worker: socket.socket) -> list[Message]:
    """What can be read, without waiting."""
    try:
        return [decode(line) for line in worker.recv(65536).splitlines()]
    except BlockingIOError:
        return []


Ends = tuple[socket.socket, socket.socket]
LINE = Said(level="info", text="[generic] Downloading webpage")


def test_messages_are_sent_one_after_the_other(worker_and_child: Ends) -> None:
    worker, child = worker_and_child
    outbox = Outbox(child)
    outbox.send(PhaseBegan(phase="extracting"))
    outbox.send(Advance(received_bytes=7))

    assert came(worker) == [PhaseBegan(phase="extracting"), Advance(received_bytes=7)]


@pytest.mark.parametrize(
    "first", [LINE, Said(level="debug", text="[debug] x"), PhaseBegan(phase="fetching")]
)
def test_what_can_wait_comes_with_the_next_message(worker_and_child: Ends, first: Message) -> None:
    worker, child = worker_and_child
    outbox = Outbox(child)
    outbox.send(first)
    before = came(worker)
    outbox.send(Advance(received_bytes=7))

    assert before == []
    assert came(worker) == [first, Advance(received_bytes=7)]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_warning_does_not_wait(worker_and_child: Ends, level: str) -> None:
    worker, child = worker_and_child
    outbox = Outbox(child)
    outbox.send(LINE)
    outbox.send(Said(level=level, text="careful"))

    assert came(worker) == [LINE, Said(level=level, text="careful")]


def test_what_waits_is_sent_when_it_is_asked_for(worker_and_child: Ends) -> None:
    worker, child = worker_and_child
    outbox = Outbox(child)
    outbox.send(LINE)
    outbox.flush()
    outbox.flush()

    assert came(worker) == [LINE]


def test_many_lines_do_not_wait_for_ever(worker_and_child: Ends) -> None:
    worker, child = worker_and_child
    outbox = Outbox(child)
    for _ in range(MAX_WAITING_BYTES // 60):
        outbox.send(LINE)

    assert came(worker)
