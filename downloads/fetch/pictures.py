"""Makes the JPEG that is kept of a video out of whatever picture a site offers."""

from pathlib import Path

from downloads.fetch.verify import LOOK_TIMEOUT_SECONDS, run_ffmpeg

JPEG = b"\xff\xd8\xff"
BEGINNINGS = (JPEG, b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
MAX_PIXELS = 2**26  # a picture of a few bytes may claim to have any number
NAME = "thumbnail.jpg"


class NotPicture(Exception):
    """The site sent something that is not a picture."""


def picture_of(content: bytes, *, directory: Path) -> Path:
    """Write a picture as a JPEG that ffmpeg has read into the directory; returns its path.

    A JPEG stays as it is. Raises NotPicture for what is none or, without ffmpeg, no JPEG.
    """
    if not is_picture(content):
        raise NotPicture("The site sent something that is not a picture")
    source, target = directory / "picture", directory / NAME
    source.write_bytes(content)
    read = ["-y", "-v", "error", "-xerror", "-max_pixels", str(MAX_PIXELS), "-i", f"file:{source}"]
    is_jpeg = content.startswith(JPEG)
    write = ["-f", "null", "-"] if is_jpeg else ["-q:v", "2", "-f", "image2", f"file:{target}"]
    finished = run_ffmpeg([*read, "-frames:v", "1", *write], LOOK_TIMEOUT_SECONDS)
    if finished.returncode if finished else not is_jpeg:
        raise NotPicture("ffmpeg cannot read the picture")
    if is_jpeg:
        source.replace(target)
    else:
        source.unlink()
    return target


def is_picture(content: bytes) -> bool:
    """Whether it begins as a picture does: ffmpeg might take a playlist, and follow it."""
    is_webp = content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    is_avif = content[4:12] in (b"ftypavif", b"ftypavis")
    return content.startswith(BEGINNINGS) or is_webp or is_avif
