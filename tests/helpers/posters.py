"""Pictures of any size and type, for sites that offer them."""

import struct
import subprocess
import zlib


def png(*, width: int, height: int) -> bytes:
    """A PNG, not compressed: three bytes a pixel."""
    rows = (b"\0" + bytes([row % 256]) * 3 * width for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), level=0)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def poster(suffix: str, *, width: int, height: int) -> bytes:
    """A picture as ffmpeg makes it; the suffix names its type: jpg, png or webp."""
    codec = {"jpg": "mjpeg", "png": "png", "webp": "libwebp"}[suffix]
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size={width}x{height}"]
    command += [
        "-frames:v",
        "1",
        "-c:v",
        codec,
        "-f",
        "webp" if suffix == "webp" else "image2",
        "-",
    ]
    return subprocess.run(command, capture_output=True, check=True).stdout
