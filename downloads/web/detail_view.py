"""The page of one download in words: beside what its row shows, its history, files and logs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from downloads import actions
from downloads.models import Download, PublishedFile, Transition
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.states import Outcome, Reason, Result, Role, State
from downloads.waiting import Why
from downloads.web.cookies_view import CookiesHint, cookies_hint
from downloads.web.details import detail_of, warnings_of
from downloads.web.format import LOOKS, counted, duration, size
from downloads.web.row_view import START_A_WORKER, DownloadView, actor_in_words
from downloads.web.timeline import steps_of

MAX_LOGS = 3  # each may have 64 KiB; to older ones there is a link
FILE_FAULTS = {
    "missing": "It is not in the library any more.",
    "changed": "It was changed in the library after it was published.",
    "unreachable": "The library cannot be read now.",
}
PLAYABLE = frozenset({"audio", "video"})
# What a file is for, in the order in which files are shown.
ROLES = {
    Role.VIDEO: "Video",
    Role.AUDIO: "Sound",
    Role.SUBTITLES: "Subtitles",
    Role.THUMBNAIL: "Picture",
    Role.INFO: "Information for media servers",
}
REASONS: dict[str, str] = {
    Reason.DIRECTORY_MADE: "isolated directory made",
    Reason.WILL_RETRY: "will be tried again",
    Reason.SHUTDOWN: "worker stopped",
}


class Move(NamedTuple):
    """One transition in the history."""

    entry: Transition
    origin: str
    who: str
    reason: str
    detail: str


class File(NamedTuple):
    """One published file."""

    row: PublishedFile
    address: str
    about: str  # what it is for, its size and its type
    player: str  # the element that plays it, "video" or "audio"; "" when neither does
    fault: str  # why it cannot be had; "" when it can
    subtitles: list[tuple[str, str]]  # of a video: language and address of each


class LastError(NamedTuple):
    """The error of the newest attempt."""

    sentence: str
    next_step: str
    detail: str
    is_final: bool  # no other attempt follows by itself
    cookies: CookiesHint | None


def detail_view(view: DownloadView) -> dict[str, object]:
    """Read and say what the page of a download shows beside what its row does."""
    download, waiting = view.download, view.waiting
    history = list(download.transitions.order_by("seq"))
    files = _files(download)
    logged = list(download.logs.order_by("attempt").values_list("attempt", flat=True))
    logs = download.logs.filter(attempt__in=logged[-MAX_LOGS:]).order_by("attempt")
    cleanup = actions.preview_cleanup(download) if download.is_cleanable else None
    return {
        "view": view,
        "steps": steps_of(history),
        "history": [_move(entry) for entry in reversed(history)],
        # What somebody has to do before it can begin.
        "remedy": START_A_WORKER if waiting and waiting.why == Why.NO_WORKER else "",
        "waiting_site": waiting.site if waiting and waiting.why == Why.SITE else "",
        "problem": _problem(view),
        "cleanup": cleanup,
        "cleanup_removes": _together(cleanup.file_count, cleanup.size_bytes) if cleanup else "",
        "files": files,
        "about": _about(download),
        "came": came_in_words(download.media) if files else "",
        "shortfall": _shortfall(download) if files else "",
        "warnings": _warnings(history),
        "files_together": _together(len(files), sum(file.row.size for file in files)),
        "files_were_deleted": not files and download.result == Result.FILES,
        "is_of_a_list": any(entry.data.get("code") == "in_a_list" for entry in history),
        "has_it": download.result == Result.HAVE_IT,
        "around": lists_around(download),
        "logs": list(logs) if logged else [],
        "older_logs": logged[:-MAX_LOGS],
        "technical": [(term, value) for term, value in _technical(download) if value],
    }


def lists_around(download: Download) -> list[Download]:
    """Return the lists that a download was made of, the outermost first."""
    found: list[Download] = []
    outer = download.listed_in
    while outer is not None and outer not in found:
        found.insert(0, outer)
        outer = outer.listed_in
    return found


def _move(entry: Transition) -> Move:
    return Move(
        entry=entry,
        origin=LOOKS[State(entry.from_state)].label if entry.from_state else "",
        who=actor_in_words(entry.actor),
        reason=REASONS.get(entry.reason, entry.reason.replace("_", " ")),
        detail=detail_of(entry.data, write_bytes=size),
    )


def _files(download: Download) -> list[File]:
    """Say what the files are, the video first."""
    rows = sorted(download.files, key=lambda row: list(ROLES).index(Role(row.role)))
    subtitles = [
        (row.language, _address(row, download))
        for row in rows
        if row.role == Role.SUBTITLES and not row.fault
    ]
    return [_file(row, download, subtitles) for row in rows]


def _file(row: PublishedFile, download: Download, subtitles: list[tuple[str, str]]) -> File:
    kind, fault = row.media_type.partition("/")[0], FILE_FAULTS.get(row.fault, "")
    role = f"{ROLES[Role(row.role)]}{f' ({row.language})' if row.language else ''}"
    return File(
        row=row,
        address=_address(row, download),
        about=f"{role} · {size(row.size)} · {row.media_type}",
        player=kind if kind in PLAYABLE and not fault else "",
        fault=fault,
        subtitles=subtitles if row.role == Role.VIDEO else [],
    )


def _address(row: PublishedFile, download: Download) -> str:
    return reverse("media", args=[download.correlation_id, row.name])


def _about(download: Download) -> str:
    """Say who published the video, how long it is, and when that was; "" when nothing is known."""
    media = download.media
    seconds, day = media.get("duration"), str(media.get("uploaded_at") or "")[:10]
    said = [
        media.get("uploader") or media.get("channel"),
        duration(seconds) if seconds else "",
        day,
    ]
    return " · ".join(filter(None, said))


def came_in_words(media: Mapping[str, Any]) -> str:
    """Say what the published file holds: "1920 x 1080 · h264 · aac · mp4"; "" when not known."""
    if "container" not in media:
        return ""
    size = f"{media['width']} x {media['height']}" if media.get("height") else ""
    said = [size, media.get("video_codec"), media.get("audio_codec"), media["container"]]
    return " · ".join(filter(None, said))


def _shortfall(download: Download) -> str:
    """Say that the site had less than what was asked for; "" when it had that."""
    asked = str(download.options.get("quality", "best"))
    sides = [download.media.get(side) for side in ("width", "height")]
    if not asked.endswith("p") or not all(sides) or "container" not in download.media:
        return ""
    height = min(filter(None, sides))  # of a video that stands upright its width, as yt-dlp counts
    is_less = height < int(asked.removesuffix("p"))
    return f"{asked} asked, {height}p is the best here." if is_less else ""


def _warnings(history: list[Transition]) -> list[str]:
    """Say what the newest attempt could not get beside the video."""
    completed = [entry for entry in history if entry.to_state == State.COMPLETED]
    return warnings_of(completed[-1].data) if completed else []


def _problem(view: DownloadView) -> LastError | None:
    advice, download = view.advice, view.download
    if advice is None or download.outcome in (Outcome.COMPLETED, Outcome.CANCELLED):
        return None
    is_final = download.outcome == Outcome.FAILED
    again = "That ended the attempt before; it is tried again by itself."
    detail = detail_of(download.error_data, write_bytes=size)
    return LastError(
        sentence=advice.sentence,
        next_step=advice.next_step if is_final else again,
        detail=f"{download.error_class}: {detail}" if download.error_data else "",
        is_final=is_final,
        cookies=cookies_hint(download, viewer=view.viewer),
    )


def _together(count: int, size_bytes: int) -> str:
    return f"{counted(count, 'file')} ({size(size_bytes)})"


def _technical(download: Download) -> list[tuple[str, str]]:
    """Return terms with their values; "" where a download has none."""
    of_most = f"{download.tries} of {download.max_attempts}"
    none_yet = f"None yet, {download.max_attempts} at most"
    directory = "Isolated directory" if download.is_running else "Directory that is kept"
    return [
        ("Address", _code(download.url)),
        ("Options", options_in_words(download.options)),
        ("Attempt", of_most if download.tries else none_yet),
        ("Worker", download.worker.name if download.worker else ""),
        (directory, _code(download.directory)),
        ("Kept for the next attempt", _code(download.carried)),
        ("In the library", _code(download.library_path)),
    ]


def options_in_words(options: dict[str, Any]) -> str:
    """Write all options, the defaults included; those of a newer version as what is wrong."""
    try:
        return DownloadOptions.from_mapping(options).summary
    except InvalidOption as unknown:
        return str(unknown)


def _code(text: str) -> SafeString | str:
    return format_html("<code>{}</code>", text) if text else ""
