"""Files that end in the middle, of every kind that does not say how long it is."""

import io
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.disk.containers import CONTAINERS, container_of
from downloads.disk.endings import ends_in_the_middle

PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440"]
LIVE = ["-deadline", "realtime", "-live", "1", "-cluster_time_limit", "200"]
MADE = {
    "a.mp4": [*PICTURES, "-g", "5", "-movflags", "frag_keyframe+empty_moov"],
    "a.ts": PICTURES,
    "a.aac": SOUND,
    "a.mp3": SOUND,
    "a.ogg": SOUND,
    "a.opus": SOUND,
    "a.webm": [*PICTURES, "-c:v", "libvpx", *LIVE],
    "a.mkv": [*PICTURES, *LIVE[2:]],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    folder = tmp_path_factory.mktemp("endings")
    for name, arguments in MADE.items():
        command = ["ffmpeg", "-v", "error", *arguments, "-t", "2", str(folder / name)]
        subprocess.run(command, check=True)
    return {name: (folder / name).read_bytes() for name in MADE}


def is_cut(content: bytes) -> bool:
    container = container_of(io.BytesIO(content))
    assert container is not None
    return ends_in_the_middle(io.BytesIO(content), container, size=len(content))


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("share", [0.31, 0.5, 0.9, 0.97])
def test_a_file_that_ends_in_the_middle_is_known(
    made: dict[str, bytes], name: str, share: float
) -> None:
    whole = made[name]

    assert not is_cut(whole)
    assert is_cut(whole[: int(len(whole) * share)])


@pytest.mark.parametrize("name", ["a.ts", "a.aac"])
def test_what_follows_the_media_is_not_a_cut(made: dict[str, bytes], name: str) -> None:
    assert not is_cut(made[name] + b"\n" * 20)


@given(content=st.binary(max_size=400))
def test_any_bytes_can_be_asked(content: bytes) -> None:
    for container in CONTAINERS:
        ends_in_the_middle(io.BytesIO(content), container, size=len(content))
