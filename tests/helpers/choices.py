"""A site on which there is something to choose: qualities, codecs, subtitles, pictures, chapters.

path      what it offers
--------  ------------------------------------------------------------------------------------------
/page     a film as MP4 (H.264 and AAC; 180 and 360 lines) and as WebM (VP8 and Opus; 540 lines),
          subtitles in `en` (WebVTT), `de` (SubRip), `fr` (a page instead), a picture (PNG)
/film     the film of 360 lines with its title, uploader, day, description, chapters, picture (JPEG)
/stream   the same as HLS: variants of 180 and 360 lines, subtitles in `en` and `es-419` in pieces
/sound    the sound alone, as WebM (Opus)
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.scripted_site import Answer, ScriptedSite

SECONDS = 6
TITLE, UPLOADER, DESCRIPTION = "A film to choose", "Ursula", "What; is = in it # & <more>\n\\ é"
CHAPTERS = {"One": (0, 2), "Two = 2": (2, 4), "Three": (4, 6)}
LINES = {"en": "Hello", "de": "Hallo", "es-419": "Hola"}
PICTURES = ("-f", "lavfi", "-i")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440")
MADE = {
    "180.mp4": ("320x180", ("-c:v", "libx264", "-c:a", "aac")),
    "360.mp4": ("640x360", ("-c:v", "libx264", "-c:a", "aac")),
    "540.webm": ("960x540", ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")),
}


def make(folder: Path) -> None:
    """Make the media, with ffmpeg."""
    for name, (size, codecs) in MADE.items():
        picture = (*PICTURES, f"testsrc2=size={size}:rate=10")
        common = ("-t", str(SECONDS), "-g", "10", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
        preset = common if name.endswith("mp4") else common[:-2]
        _ffmpeg(folder, *picture, *SOUND, *preset, *codecs, "-movflags", "+faststart", name)
    for name in ("180", "360"):
        playlist = ("-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod")
        pieces = ("-hls_segment_filename", f"{name}-%d.ts", f"{name}.m3u8")
        _ffmpeg(folder, "-i", f"{name}.mp4", "-c", "copy", *playlist, *pieces)
    _ffmpeg(folder, "-i", "540.webm", "-vn", "-c", "copy", "sound.webm")
    _ffmpeg(folder, "-i", "360.mp4", "-vn", "-c", "copy", "sound.mp4")
    for name in ("poster.png", "poster.jpg"):
        _ffmpeg(folder, *PICTURES, "testsrc2=size=320x180", "-frames:v", "1", name)


def _ffmpeg(folder: Path, *arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], cwd=folder, check=True)


def webvtt(*lines: tuple[int, str]) -> str:
    """Subtitles whose lines are shown for a second each, from these seconds on."""
    cues = [f"00:00:0{at}.000 --> 00:00:0{at + 1}.000\n{line}\n" for at, line in lines]
    return "\n".join(["WEBVTT\n", *cues])


def subrip(line: str) -> str:
    return f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n\n"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The site, whose answers a test may change."""

    site: ScriptedSite
    media: Path

    def url(self, path: str) -> str:
        return self.site.url(path)

    def serve_all(self) -> None:
        for path in self.media.iterdir():
            self.file(f"/{path.name}", path.read_bytes())
        self.file("/en.vtt", webvtt((1, LINES["en"]), (4, "Later")))
        self.file("/de.srt", subrip(LINES["de"]))
        self.file("/fr.vtt", "<!doctype html><html><body>Not here</body></html>")
        self.site.serve("/page", Answer(body=_page()))
        self.site.serve("/film", Answer(body=self._described("/360.mp4", "video/mp4")))
        self.site.serve("/stream", Answer(body=self._described("/master.m3u8", "")))
        self.site.serve("/sound", Answer(body=_html('<audio src="/sound.webm"></audio>')))
        self._serve_stream()

    def file(self, path: str, body: bytes | str, **values: object) -> None:
        kind = {"m3u8": "application/vnd.apple.mpegurl", "vtt": "text/vtt"}
        media_type = kind.get(path.rpartition(".")[2], "application/octet-stream")
        self.site.serve(path, Answer(body=body, media_type=media_type, **values))  # type: ignore[arg-type]

    def _serve_stream(self) -> None:
        lines = ["#EXTM3U"]
        for language in ("en", "es-419"):
            lines.append(
                '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",'
                f'NAME="{language}",LANGUAGE="{language}",URI="/{language}.m3u8"'
            )
            self.file(f"/{language}.m3u8", _pieces_of(language))
            self.file(f"/{language}-0.vtt", webvtt((1, LINES[language])))
            self.file(f"/{language}-1.vtt", webvtt((4, "Later")))
        for name, size, rate in (("180", "320x180", 200_000), ("360", "640x360", 400_000)):
            codecs = 'CODECS="avc1.42c00d,mp4a.40.2"'
            stream = f"#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={size},{codecs}"
            lines += [f'{stream},SUBTITLES="subs"', f"/{name}.m3u8"]
        self.file("/master.m3u8", "\n".join([*lines, ""]))

    def _described(self, content: str, encoding: str) -> str:
        parts = [
            {"@type": "Clip", "name": name, "startOffset": start, "endOffset": end}
            for name, (start, end) in CHAPTERS.items()
        ]
        described = {
            "@context": "https://schema.org",
            "@type": "VideoObject",
            "name": TITLE,
            "description": DESCRIPTION,
            "author": {"@type": "Person", "name": UPLOADER},
            "uploadDate": "2026-01-31T12:00:00+00:00",
            "duration": f"PT{SECONDS}S",
            "thumbnailUrl": [self.site.url("/poster.jpg")],
            "contentUrl": self.site.url(content),
            "hasPart": parts,
            **({"encodingFormat": encoding} if encoding else {}),
        }
        script = f'<script type="application/ld+json">{json.dumps(described)}</script>'
        return _html(script)


def _html(body: str) -> str:
    return f"<!doctype html><html><head><title>{TITLE}</title></head><body>{body}</body></html>"


def _page() -> str:
    sources = "".join(
        f'<source src="/{name}" label="{name[:3]}p" res="{name[:3]}" type=\'{kind}\'>'
        for name, kind in (
            ("180.mp4", 'video/mp4; codecs="avc1.42c00d, mp4a.40.2"'),
            ("360.mp4", 'video/mp4; codecs="avc1.42c01e, mp4a.40.2"'),
            ("540.webm", 'video/webm; codecs="vp8, opus"'),
        )
    )
    tracks = "".join(
        f'<track kind="subtitles" srclang="{language}" src="{source}">'
        for language, source in (("en", "/en.vtt"), ("de", "/de.srt"), ("fr", "/fr.vtt"))
    )
    return _html(f'<video poster="/poster.png">{sources}{tracks}</video>')


def _pieces_of(language: str) -> str:
    pieces = "".join(f"#EXTINF:3,\n/{language}-{number}.vtt\n" for number in range(2))
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n{pieces}#EXT-X-ENDLIST\n"
