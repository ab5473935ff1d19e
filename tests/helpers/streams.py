"""Films in fragments, and a site that offers them as streams."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from downloads.disk import timing
from tests.helpers.scripted_site import Answer, ScriptedSite

SECONDS = 2  # of every segment


INIT, ENCRYPTED = '#EXT-X-MAP:URI="/init.mp4"', '#EXT-X-KEY:METHOD=AES-128,URI="/key"'


SILENT, SOUND = ("-an",), ("-vn",)


@dataclass(frozen=True, kw_only=True)
class Fragments:
    """A film of three segments, as ffmpeg packs it."""

    segments: list[bytes]
    init: bytes = b""

    @property
    def whole(self) -> bytes:
        return self.init + b"".join(self.segments)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A scripted site that offers one stream."""

    site: ScriptedSite

    def body(self, path: str, body: bytes) -> str:
        self.site.serve(path, Answer(body=body, media_type="application/octet-stream"))
        return path

    def playlist(self, *lines: str, path: str = "/index.m3u8", end: str = "#EXT-X-ENDLIST") -> str:
        head = ("#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{SECONDS}")
        body = "\n".join([*head, *lines, end, ""])
        media_type = "application/vnd.apple.mpegurl"
        return self.site.serve(path, Answer(body=body, media_type=media_type))


def stream_of(
    site: Site, bodies: list[bytes], *, init: bytes = b"", name: str = "", last: str = "2"
) -> str:
    """Serve a playlist of fragments of 2 s, the last of which lasts `last`; returns its URL."""
    lines = [f'#EXT-X-MAP:URI="{site.body(f"/{name}init.mp4", init)}"'] if init else []
    for number, body in enumerate(bodies):
        lines += [f"#EXTINF:{2 if number < len(bodies) - 1 else last},"]
        lines.append(site.body(f"/{name}{number}", body))
    return site.playlist(*lines, path=f"/{name}index.m3u8")


def half(segment: bytes, *, of: int = 1) -> bytes:
    """Cut a segment to half, at a multiple of some bytes."""
    return segment[: len(segment) // 2 // of * of]


def at_the_beginning(film: Fragments) -> list[bytes]:
    """The segments of a film in fragments, each with the time of the first."""
    tracks, _ = timing.without_beginning(film.init)
    found = []
    for segment in film.segments:
        runs = timing.runs_of(segment, tracks)
        span = timing.span_of(runs)
        assert span is not None
        found.append(timing.moved(segment, runs, -span.start))
    return found


def seconds(path: Path, kind: str = "") -> float:
    """How long a file can be played, or only its pictures ("v") or its sound ("a")."""
    command = ["ffprobe", "-v", "error", "-of", "csv=p=0"]
    command += ["-show_entries", "stream=duration", "-select_streams", kind] if kind else []
    command += [] if kind else ["-show_entries", "format=duration"]
    return float(subprocess.run([*command, path], capture_output=True, check=True).stdout)


def packets(path: Path, kind: str) -> list[str]:
    """Time and hash of the packets of the pictures ("v") or the sound ("a") of a file."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", f"0:{kind}", "-c", "copy"]
    command += ["-f", "framemd5", "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if not line.startswith("#")]


def decoding_errors(path: Path) -> str:
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr
