"""Media as real sites serve them: nginx over a folder, on loopback.

A server in Python is itself the limit of what it serves.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

# With these in front any bytes are an MP4 that is as long as it says: type, index, all the rest.
BEGINNING = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov\0\0\0\0mdat"
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{
        video/mp4 mp4;
        video/mp2t ts;
        application/vnd.apple.mpegurl m3u8;
    }}
    server {{
        listen 127.0.0.1:{port};
        root {media};
        location /small/ {{ try_files /small.mp4 =404; }}
    }}
}}
"""


@contextmanager
def media_site(*, large_bytes: int = 0, segments: int = 0) -> Iterator[str]:
    """Serve media; yields the HOST:PORT.

    `/small/ANYTHING.mp4` is one small film. `/large.mp4` has so many bytes. `/hls/index.m3u8` is a
    film of so many segments, a second each. Raises SystemExit without nginx.
    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise SystemExit("nginx is needed: apt install nginx-light")
    with TemporaryDirectory(prefix="vnsite-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # its worker process is another user
        media = folder / "media"
        _fill(media, large_bytes, segments)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, media=media, port=port))
        process = subprocess.Popen([program, "-c", configuration, "-p", folder])
        try:
            _wait_for(port)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _fill(media: Path, large_bytes: int, segments: int) -> None:
    (media / "hls").mkdir(parents=True)
    _film(media / "small.mp4", seconds=1, arguments=("-movflags", "+faststart"))
    if segments:
        playlist = ("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod")
        _film(media / "hls/index.m3u8", seconds=segments, arguments=playlist)
    with (media / "large.mp4").open("wb") as file:
        file.write(BEGINNING)
        file.truncate(max(large_bytes, len(BEGINNING)))


def _film(path: Path, *, seconds: int, arguments: tuple[str, ...]) -> None:
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25")
    sound = ("-f", "lavfi", "-i", "sine=frequency=440")
    # A key frame a second, so that HLS can cut there.
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
    command = ["ffmpeg", "-v", "error", *picture, *sound, "-t", str(seconds), *codecs]
    subprocess.run([*command, "-c:a", "aac", "-b:a", "64k", *arguments, path], check=True)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit("nginx did not start") from None
            time.sleep(0.02)
        else:
            return
