"""The page of one download in words, beside what its row shows.

Its history, files and error have modules of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from downloads import actions
from downloads.models import Download, Transition
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.states import Result, State
from downloads.rules.words import say, say_number
from downloads.waiting import Why
from downloads.web.actors import actor_in_words, host_of_worker, workers_among
from downloads.web.chart import chart_of
from downloads.web.details import warnings_of
from downloads.web.files_view import files_of
from downloads.web.film_view import film_of
from downloads.web.format import duration, instant, size
from downloads.web.found_view import choices_of
from downloads.web.history import history_of
from downloads.web.problem import problem_of
from downloads.web.row_view import DownloadView, start_a_worker
from downloads.web.timeline import steps_of


def detail_view(view: DownloadView) -> dict[str, object]:
    """Read and say what the page of a download shows beside what its row does."""
    download, waiting = view.download, view.waiting
    entries = list(download.transitions.order_by("seq"))
    files = files_of(download)
    cleanup = actions.preview_cleanup(download) if download.is_cleanable else None
    return {
        "view": view,
        "chart": chart_of(download, entries),
        "steps": steps_of(entries),
        "attempts": history_of(download, entries),
        "history_was_pruned": _pruned(download.history_days),
        # What somebody has to do before it can begin.
        "remedy": start_a_worker() if waiting and waiting.why == Why.NO_WORKER else "",
        "waiting_site": waiting.site if waiting and waiting.why == Why.SITE else "",
        "attempt_now": _attempt_now(download, entries),
        "problem": problem_of(view),
        "cleanup": cleanup,
        "cleanup_removes": _together(cleanup.file_count, cleanup.size_bytes) if cleanup else "",
        "film": film_of(download, files, viewer=view.viewer),
        "files": files,
        "about": _about(download),
        "added": _added(download),
        "came": came_in_words(download.media) if files else "",
        "shortfall": _shortfall(download) if files else "",
        "warnings": _warnings(entries),
        "files_together": _together(len(files), sum(file.row.size for file in files)),
        "files_were_deleted": not files and download.result == Result.FILES,
        "is_of_a_list": any(entry.data.get("code") == "in_a_list" for entry in entries),
        "choices": choices_of(download.media.get("formats", [])) if view.is_checked else [],
        "has_it": download.result == Result.HAVE_IT,
        "around": lists_around(download),
        "technical": [(term, value) for term, value in _technical(download) if value],
    }


def _attempt_now(download: Download, entries: Sequence[Transition]) -> str:
    """Say which attempt runs and who runs it, named as in the history; "" when none does."""
    if not download.is_running or download.worker is None:
        return ""
    workers = workers_among([entry.actor for entry in entries])
    return say(
        "Attempt {number} of {most}, {worker}",
        number=download.tries,
        most=download.max_attempts,
        worker=actor_in_words(download.worker.actor, workers=workers),
    )


def lists_around(download: Download) -> list[Download]:
    """Return the lists that a download was made of, the outermost first."""
    found: list[Download] = []
    outer = download.listed_in
    while outer is not None and outer not in found:
        found.insert(0, outer)
        outer = outer.listed_in
    return found


def _added(download: Download) -> SafeString:
    when = instant(download.created_at, relative=True)
    if download.owner is None:
        return format_html(_("added {when}"), when=when)
    who = download.owner.get_username()
    return format_html(_("added {when} by {who}"), when=when, who=who)


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
    words = say("{asked} asked, {height}p is the best here.", asked=asked, height=height)
    return words if is_less else ""


def _warnings(history: list[Transition]) -> list[str]:
    """Say what the newest attempt could not get beside the video."""
    completed = [entry for entry in history if entry.to_state == State.COMPLETED]
    return warnings_of(completed[-1].data) if completed else []


def _pruned(days: int | None) -> str:
    """Say that the first moves were removed; "" when they were not."""
    if days is None:
        return ""
    return say_number(
        "Earlier history was removed after {number} day.",
        "Earlier history was removed after {number} days.",
        number=days,
    )


def _together(count: int, size_bytes: int) -> str:
    return say_number(
        "{number} file ({size})", "{number} files ({size})", number=count, size=size(size_bytes)
    )


def _technical(download: Download) -> list[tuple[str, str]]:
    """Return terms with their values; "" where a download has none."""
    numbers = {"number": download.tries, "most": download.max_attempts}
    of_most = _("%(number)d of %(most)d") % numbers
    none_yet = _("None yet, %(most)d at most") % numbers
    directory = _("Temp folder") if download.is_running else _("Temp folder that is kept")
    return [
        (_("Address"), _code(download.url)),
        (_("Options"), options_in_words(download.options)),
        (_("Attempt"), of_most if download.tries else none_yet),
        (_("Worker"), _worker(download)),
        (_("Format at the site"), _code(download.media.get("format_id", ""))),
        (_("Name at the site"), _code(f"{download.extractor} {download.media_id}".strip())),
        (directory, _code(download.directory)),
        (_("Kept for the next attempt"), _code(download.carried)),
        (_("In the library"), _code(download.library_path)),
    ]


def _worker(download: Download) -> SafeString | str:
    """Name the worker as logs do, with its host, and say when it was last heard."""
    if download.worker is None:
        return ""
    name, heard = download.worker.name, instant(download.worker.heartbeat_at, relative=True)
    words = format_html("<code>{}</code> ({})", name, host_of_worker(name))
    return format_html(_("{worker}, last heard {when}"), worker=words, when=heard)


def options_in_words(options: dict[str, Any]) -> str:
    """Write all options, the defaults included; those of a newer version as what is wrong."""
    try:
        return DownloadOptions.from_mapping(options).summary
    except InvalidOption as unknown:
        return str(unknown)


def _code(text: str) -> SafeString | str:
    return format_html("<code>{}</code>", text) if text else ""
