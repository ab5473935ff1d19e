"""A film in many segments, against the `yt-dlp` command; then with a delay before each answer.

`.venv/bin/python -m benchmarks.hls [--segments 300] [--delay-ms 30] [--rounds 3] [--json]`
"""

import argparse
import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from benchmarks.figures import rounds, show
from benchmarks.large import compare, fetch
from benchmarks.nginx import media_site
from benchmarks.site import running_site


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=int, default=300)
    parser.add_argument("--delay-ms", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        media_site(segments=options.segments) as origin,
        delaying(origin, options.delay_ms / 1000) as slow,
        running_site(allow=f"{origin},{slow}") as site,
    ):
        fetch(site, f"http://{origin}/small/warm.mp4")
        figures = {}
        for name, host in (("", origin), ("delayed_", slow)):
            found = rounds(
                lambda number, host=host: compare(site, f"http://{host}/hls/index.m3u8?{number}"),
                options.rounds,
            )
            figures |= {f"{name}{each}": value for each, value in found.items()}
    show(figures, as_json=options.json)


@contextmanager
def delaying(origin: str, seconds: float) -> Iterator[str]:
    """Stand in front of a site and wait before each request is passed on; yields HOST:PORT."""
    place: Future[str] = Future()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    host, port = origin.split(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            to_reader, to_writer = await asyncio.open_connection(host, int(port))
            answers = asyncio.create_task(_copy(to_reader, writer))
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    await asyncio.sleep(seconds)
                    to_writer.write(head)
            finally:
                to_writer.close()
                answers.cancel()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        place.set_result("{}:{}".format(*server.sockets[0].getsockname()))
        await stop.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())  # and ends the connections that are left

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield place.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(2**16):
            writer.write(piece)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
