"""Many clients of the event stream at once, in one event loop."""

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from benchmarks.site import Site

NOTED_EVERY = 20  # to look at every event of all would cost more than to send them


class Crowd:
    """Many streams in one event loop. Of a few it notes when each event arrived."""

    def __init__(self, site: Site) -> None:
        self.arrivals: dict[bytes, list[float]] = defaultdict(list)  # of each id, at whom
        self._host, self._port = address_of(site)
        self._request = request_of(site, "/events/")
        self._writers: list[asyncio.StreamWriter] = []
        self._readers: set[asyncio.Task[None]] = set()
        self.greeted = 0

    async def connect(self, number: int, *, within_seconds: float = 0.0) -> None:
        """Open so many; returns when each has been greeted."""
        every_seconds = within_seconds / number
        await asyncio.gather(*(self._open(each * every_seconds) for each in range(number)))

    async def _open(self, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        self._writers.append(writer)
        writer.write(self._request)
        await reader.readuntil(b"event: hello")
        self.greeted += 1
        is_noted = len(self._readers) % NOTED_EVERY == 0
        reading = asyncio.create_task(self._note(reader) if is_noted else self._read(reader))
        self._readers.add(reading)

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await reader.read(2**16):
                pass

    async def _note(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                if line.startswith(b"id:"):
                    self.arrivals[line].append(time.perf_counter())

    async def leave(self) -> None:
        for writer in self._writers:
            writer.close()
        for reading in self._readers:
            reading.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@contextmanager
def streams(site: Site, number: int) -> Iterator[Crowd]:
    """So many open streams, each read by one loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    crowd = Crowd(site)
    asyncio.run_coroutine_threadsafe(crowd.connect(number), loop).result(300)
    try:
        yield crowd
    finally:
        asyncio.run_coroutine_threadsafe(crowd.leave(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def address_of(site: Site) -> tuple[str, int]:
    address = urlsplit(site.url)
    assert address.hostname
    assert address.port
    return address.hostname, address.port


def request_of(site: Site, path: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {site.token}")
    return "\r\n".join([*lines, "", ""]).encode()
