import socket
from dataclasses import replace

import pytest

from downloads.fetch.protocol import (
    Advance,
    Broke,
    Fetched,
    ManifestFile,
    Message,
    Metadata,
    PhaseBegan,
    Said,
    decode,
    encode,
    sender,
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


def test_messages_are_sent_one_after_the_other() -> None:
    worker, child = socket.socketpair()
    with worker, child:
        send = sender(child)
        send(PhaseBegan(phase="extracting"))
        send(Advance(received_bytes=7))

        lines = worker.recv(65536).splitlines()

    assert [decode(line) for line in lines] == [
        PhaseBegan(phase="extracting"),
        Advance(received_bytes=7),
    ]
