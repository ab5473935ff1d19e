"""The film of a download's page: what is played, where it goes on, and what stands around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.urls import reverse

from downloads.library import remuxing
from downloads.library.models import Position
from downloads.models import Download, Entry
from downloads.rules.about import about_of
from downloads.web.files_view import File
from downloads.web.format import length
from downloads.web.thumbnails import address_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SPEEDS = ("0.5", "0.75", "1", "1.25", "1.5", "1.75", "2")
# A common profile of each codec, as browsers are asked for it (RFC 6381). Of others, and of
# containers, only the browser's try tells.
PLAYED_AS = {
    "h264": 'video/mp4; codecs="avc1.640028"',
    "hevc": 'video/mp4; codecs="hvc1.1.6.L120.90"',
    "av1": 'video/mp4; codecs="av01.0.08M.08"',
    "vp8": 'video/webm; codecs="vp8"',
    "vp9": 'video/webm; codecs="vp09.00.40.08"',
    "aac": 'audio/mp4; codecs="mp4a.40.2"',
    "mp3": "audio/mpeg",
    "opus": 'audio/webm; codecs="opus"',
    "vorbis": 'audio/webm; codecs="vorbis"',
    "flac": "audio/flac",
    "ac3": 'audio/mp4; codecs="ac-3"',
    "eac3": 'audio/mp4; codecs="ec-3"',
}


class Chapter(NamedTuple):
    seconds: float
    time: str  # as players write it
    title: str
    address: str  # of the file, from there on
    place: str  # on a line as long as the film, as a percentage; "": nobody knows how long it is


class Neighbour(NamedTuple):
    title: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Film:
    """What the page plays, or says to be missing."""

    file: File
    title: str = ""
    artist: str = ""
    picture: str = ""  # its address; "": there is none
    position_address: str = ""  # of the API; "": nothing is played
    resume_seconds: int = 0
    chapters: Sequence[Chapter] = ()
    codecs: Sequence[str] = ()  # of picture and sound, as far as they are known
    previous: Neighbour | None = None  # in its list
    next: Neighbour | None = None
    remux_to: str = ""  # a container that browsers play and that it could be in; "": none
    remuxed: Neighbour | None = None  # what is in that container, or soon will be

    @property
    def address(self) -> str:
        """Where it begins is a part of the address: so it goes on without a script, too."""
        return _at(self.file, self.resume_seconds) if self.resume_seconds else self.file.address

    @property
    def played_as(self) -> str:
        """The types that a browser must play, one a line."""
        return "\n".join(PLAYED_AS[codec] for codec in self.codecs if codec in PLAYED_AS)

    @property
    def codecs_in_words(self) -> str:
        return ", ".join(self.codecs)

    @property
    def speeds(self) -> Sequence[str]:
        return SPEEDS

    @property
    def has_marks(self) -> bool:
        return any(chapter.place for chapter in self.chapters)


def film_of(download: Download, files: Sequence[File], *, viewer: "User") -> Film | None:
    """Return what is played at the top, or is missing there; None when there is no such file."""
    played = next((file for file in files if file.player), None)
    if played is None:
        missing = next((file for file in files if file.is_film), None)
        return Film(file=missing) if missing else None
    entry, media = played.row.entry_id, download.media
    position = Position.objects.filter(entry=entry, user=viewer).first()
    previous, following = _neighbours(download)
    target = remuxing.target_of(download) if played.player == "video" else ""
    codecs = [media.get(name) for name in ("video_codec", "audio_codec")]
    return Film(
        file=played,
        title=download.title or played.row.name,
        artist=str(media.get("uploader") or media.get("channel") or ""),
        picture=address_of(download) or "",
        position_address=reverse("api:keep_position", args=[entry]),
        resume_seconds=position.resume_seconds if position else 0,
        chapters=_chapters(download, played, whole=_whole(media, position)),
        codecs=[str(codec) for codec in codecs if codec],
        previous=previous,
        next=following,
        remux_to=target.upper(),
        remuxed=_remuxed(download) if target else None,
    )


def _remuxed(download: Download) -> Neighbour | None:
    made = remuxing.remuxed(download)
    if made is None:
        return None
    return Neighbour(made.title or made.url, reverse("download", args=[made.correlation_id]))


def _at(file: File, seconds: float) -> str:
    return f"{file.address}#t={seconds:.3f}".removesuffix(".000")


def _whole(media: Mapping[str, Any], position: Position | None) -> float:
    """Return the duration in seconds; 0: not known."""
    return float(media.get("duration") or (position.duration_seconds if position else 0))


def _chapters(download: Download, file: File, *, whole: float) -> list[Chapter]:
    said = about_of((download.manifest or {}).get("about", {}))
    found = []
    for chapter in said.get("chapters", []):
        seconds = float(chapter["start_time"])
        place = f"{100 * seconds / whole:.2f}%" if 0 < whole >= seconds else ""
        address = _at(file, seconds)
        found.append(Chapter(seconds, length(seconds), chapter["title"], address, place))
    return found


def _neighbours(download: Download) -> tuple[Neighbour | None, Neighbour | None]:
    """Return what comes before and after it in the list that it was made of, if it has files."""
    if download.listed_in_id is None:
        return None, None
    entries = Entry.objects.filter(listing=download.listed_in_id)
    own = entries.filter(download=download).values_list("position", flat=True).first()
    if own is None:
        return None, None
    others = entries.filter(download__owner=download.owner_id, download__entry__isnull=False)
    shown = others.select_related("download").only(
        "title", "url", "download__title", "download__correlation_id"
    )
    before = shown.filter(position__lt=own).order_by("-position").first()
    after = shown.filter(position__gt=own).order_by("position").first()
    return _neighbour(before), _neighbour(after)


def _neighbour(entry: Entry | None) -> Neighbour | None:
    if entry is None or entry.download is None:
        return None
    title = entry.download.title or entry.title or entry.url
    return Neighbour(title, reverse("download", args=[entry.download.correlation_id]))
