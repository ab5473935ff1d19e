"""A live stream on a loopback site. Each look at its playlist adds a segment, so that a test does
not wait for a clock; the oldest ones slide away."""

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.scripted_site import Answer, Request, ScriptedSite

SECONDS = 12
TARGET_SECONDS = 0.2  # a recorder that keeps to it looks often enough for a test

SOURCE = ["-f", "lavfi", "-i", f"testsrc2=size=160x90:rate=25:duration={SECONDS}"]
SOUND = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}"]
CODECS = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-bf", "0"]
CODECS += ["-c:a", "aac", "-b:a", "64k"]
HLS = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod"]
KINDS: dict[str, list[str]] = {
    "ts": [*SOURCE, *SOUND, *CODECS, *HLS],
    "fmp4": [*SOURCE, *SOUND, *CODECS, *HLS, "-hls_segment_type", "fmp4"],
    "picture": [*SOURCE, *CODECS, *HLS],
    "sound": [*SOUND, *CODECS, *HLS],
    "large": [*SOURCE, *SOUND, "-vf", "scale=320:180", *CODECS, *HLS],
}


@dataclass(frozen=True, kw_only=True)
class Footage:
    """The segments of a film of 12 s, a second each, and the list of all of them."""

    source: Path
    segments: list[bytes]
    initialization: bytes  # b"" for MPEG-TS


def footage(kind: str, cache_directory: Path) -> Footage:
    """Film it, once for each recipe."""
    recipe = hashlib.sha256(repr(KINDS[kind]).encode()).hexdigest()[:8]
    directory = cache_directory / f"live-{kind}-{recipe}"
    source = directory / "list.m3u8"
    if not source.exists():
        directory.mkdir(parents=True, exist_ok=True)
        suffix = "m4s" if kind == "fmp4" else "ts"
        names = ["-hls_segment_filename", f"%02d.{suffix}", "-y", "new.m3u8"]
        command = ["ffmpeg", "-nostdin", "-v", "error", *KINDS[kind], *names]
        subprocess.run(command, cwd=directory, check=True)
        (directory / "new.m3u8").rename(source)
    start = directory / "init.mp4"
    return Footage(
        source=source,
        segments=[path.read_bytes() for path in sorted(directory.glob("[0-9][0-9].*"))],
        initialization=start.read_bytes() if start.exists() else b"",
    )


@dataclass(kw_only=True)
class Live:
    """What is on the air. A test may change every field while it runs."""

    film: Footage
    path: str = "/live"
    window: int | None = 4  # how many segments are listed; None: all (an EVENT playlist)
    shown: int = 1  # how many were added so far
    hold_at: int | None = None  # no segment is added after so many, until the test says so
    ends: bool = True  # after the last segment
    first: int = 0  # the number of the first segment
    gone: set[int] = field(default_factory=set)  # segments that answer 404
    replaced: dict[int, Answer] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)  # of the playlist, before a segment
    header: str = ""
    is_off: bool = False  # the playlist answers 404
    on_look: Callable[["Live"], None] = lambda live: None

    def on(self, site: ScriptedSite) -> str:
        """Go on the air; returns the address of the playlist."""
        for number in range(len(self.film.segments)):
            site.serve(f"{self.path}/{number}.ts", self._segment_of(number))
        site.serve(f"{self.path}/init.mp4", Answer(body=self.film.initialization))
        return site.serve(f"{self.path}/list.m3u8", self.look)

    def _segment_of(self, number: int) -> Callable[[Request], Answer]:
        def answer(_request: Request) -> Answer:
            is_listed = number in self.listed()
            if number in self.gone or not (is_listed or number == self.listed().start - 1):
                return Answer(status=404)
            whole = Answer(body=self.film.segments[number], media_type="video/mp2t")
            return self.replaced.get(number, whole)

        return answer

    def listed(self) -> range:
        return range(max(0, self.shown - self.window) if self.window else 0, self.shown)

    def look(self, _request: Request) -> Answer:
        if self.is_off:
            return Answer(status=404)
        text = self.playlist()
        self.on_look(self)
        most = len(self.film.segments) if self.hold_at is None else self.hold_at
        self.shown = max(self.shown, min(self.shown + 1, most))
        return Answer(body=text, media_type="application/vnd.apple.mpegurl")

    def playlist(self) -> str:
        listed = self.listed()
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{TARGET_SECONDS}", self.header]
        lines.append(f"#EXT-X-MEDIA-SEQUENCE:{self.first + listed.start}")
        if self.film.initialization:
            lines.append('#EXT-X-MAP:URI="init.mp4"')
        for number in listed:
            lines += [self.lines.get(number, ""), "#EXTINF:1.0,", f"{number}.ts"]
        if self.ends and self.shown == len(self.film.segments):
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(filter(None, lines))
