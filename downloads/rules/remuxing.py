"""Into which container a film's streams can be copied so that browsers play them. Pure.

Browsers play MP4 and WebM (developer.mozilla.org, "Media container formats"); what a container may
hold is what ffmpeg's muxers of them take.
"""

from typing import NamedTuple


class Holds(NamedTuple):
    pictures: frozenset[str]
    sounds: frozenset[str]


PLAYED = frozenset({"mp4", "webm"})
# The first that holds both streams is taken: MP4 is what most devices know.
CONTAINERS = {
    "mp4": Holds(
        pictures=frozenset({"h264", "hevc", "av1", "vp9"}),
        sounds=frozenset({"", "aac", "mp3", "opus", "flac", "alac", "ac3", "eac3"}),
    ),
    "webm": Holds(
        pictures=frozenset({"vp8", "vp9", "av1"}), sounds=frozenset({"", "vorbis", "opus"})
    ),
}


def container_for(container: str, *, video_codec: str, audio_codec: str) -> str:
    """Return the container that the streams can be copied into; "" when none is better.

    That is so when browsers play the one that they are in, of sound alone, and when no container
    holds both streams. Names of codecs are those of `disk.streams`; an `audio_codec` of "" is a
    film without sound.
    """
    if container in PLAYED:
        return ""
    fitting = (
        name
        for name, holds in CONTAINERS.items()
        if video_codec in holds.pictures and audio_codec in holds.sounds
    )
    return next(fitting, "")
