"""Stands between a worker and PostgreSQL, and loses the answer to what was committed.

It knows as little of the protocol as it needs: statements come as plain text, and an answer is
whatever the server says next.
"""

import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

SOCKET = ".s.PGSQL.5432"


class LosingProxy:
    """Forwards to the server whose socket is in `server`; see `loses`."""

    def __init__(self, server: Path) -> None:
        self._server = server / SOCKET
        self.directory = Path(tempfile.mkdtemp(prefix="vnsite-proxy-"))
        self._listener = socket.socket(socket.AF_UNIX)
        self.lost = 0

    def url_of(self, database: str) -> str:
        return f"postgres://vnsite@{quote(str(self.directory), safe='')}/{database}"

    def loses(self, transaction: bytes) -> bool:
        """Whether the answer to this COMMIT is lost: to each that changes a download, but claims.

        A claim whose answer is lost is a download that nobody works on yet.
        """
        return b'UPDATE "downloads_download"' in transaction and b"SKIP LOCKED" not in transaction

    def __enter__(self) -> Self:
        self._listener.bind(str(self.directory / SOCKET))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        (self.directory / SOCKET).unlink()
        self.directory.rmdir()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, suppress(OSError):
            server.connect(str(self._server))
            answers = threading.Event()  # set: they are lost
            back = threading.Thread(target=self._return, args=(server, client, answers))
            back.daemon = True
            back.start()
            transaction = b""
            while block := client.recv(65536):
                transaction += block
                if b"COMMIT" in block:
                    if self.loses(transaction):
                        answers.set()
                    transaction = b""
                server.sendall(block)
            server.shutdown(socket.SHUT_WR)
            back.join()

    def _return(
        self, server: socket.socket, client: socket.socket, answers: threading.Event
    ) -> None:
        with suppress(OSError):
            while block := server.recv(65536):
                if answers.is_set():
                    self.lost += 1
                    break
                client.sendall(block)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
