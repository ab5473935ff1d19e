"""One download, in the child: extract, fetch, verify, and say so."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from downloads.disk.names import readable
from downloads.disk.streams import Streams
from downloads.fetch import downloader as downloading
from downloads.fetch import premiere, sponsors
from downloads.fetch.assistance import Assistance
from downloads.fetch.forecast import Forecast
from downloads.fetch.found import chosen_of, found_in, measure, size_of
from downloads.fetch.lending import Lending
from downloads.fetch.listing import ListReader
from downloads.fetch.live import Live
from downloads.fetch.media import PROTOCOLS, came, chapters_of, is_compatible, media_of, title_of
from downloads.fetch.packing import Packing
from downloads.fetch.preview import Preview
from downloads.fetch.protocol import (
    Advance,
    Checked,
    Fetched,
    Job,
    Metadata,
    PhaseBegan,
    Resumed,
    Send,
    Succeeded,
    Wishes,
)
from downloads.fetch.read_limits import MAX_TEXT_LENGTH, NotOneVideo, TooLarge
from downloads.fetch.recipe import Recipe
from downloads.fetch.remux import remuxed
from downloads.fetch.resume import Resume, take_finished
from downloads.fetch.sidecars import Sidecars
from downloads.fetch.verify import (
    Incomplete,
    describe,
    is_whole,
    read_through,
    require_its_end,
    streams_in,
)
from downloads.rules.about import about_of
from downloads.rules.media_id import GENERIC, media_id_of
from downloads.rules.states import Phase
from downloads.sandbox.guard import Guard, PolicyBlocked

MAX_TITLE_LENGTH = 500
ADVANCE_INTERVAL_SECONDS = 0.25


class Fetching:
    """Listens to yt-dlp's hooks: what it knows of one download while it runs."""

    def __init__(self, job: Job, send: Send, downloader: downloading.Downloader) -> None:
        self.job = job
        self.downloader = downloader
        self.send = send
        self.resume = Resume(
            Path(job.directory), on_resumed=lambda size: send(Resumed(received_bytes=size))
        )
        self.ask_first: Callable[[], None] | None = None  # before a video of a site is fetched
        self.live: Live | None = None
        self.sidecars: Sidecars | None = None
        self.preview: Preview | None = None  # None: none is wanted
        self.made: Recipe | None = None
        self.phase = Phase.EXTRACTING
        self.duration_seconds: float | None = None
        self.title = ""
        self.info: dict[str, Any] = {}  # yt-dlp's, of the video
        self.received: dict[str, int] = {}  # bytes of each file that yt-dlp fetches
        self.announced: dict[str, int | None] = {}  # what the transport said of each, or we proved
        self.forecast = Forecast()
        self._last_advance_at = 0.0
        self._recorded_bytes = 0  # as told last

    def enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self.send(PhaseBegan(phase=phase))

    def on_video(self, info: dict[str, Any], *, incomplete: bool) -> None:
        """yt-dlp's match filter: sees each video before it is fetched; raises to refuse it."""
        if incomplete:
            return
        parts = info.get("requested_formats") or [info]
        for part in parts:
            if part.get("protocol") not in PROTOCOLS:
                raise PolicyBlocked(f"The protocol {part.get('protocol')!r} is not allowed")
        self.forecast.expect(parts)
        extractor, media_id = media_id_of(
            str(info.get("extractor_key")), str(info.get("id")), link=self.job.url
        )
        # The title of a file that a feed leads to would be made of its address.
        is_listed = self.job.title and extractor == GENERIC
        info["title"] = self.job.title if is_listed else title_of(info)
        info["chapters"] = chapters_of(info)
        self.info = dict(info)  # yt-dlp empties it in the end
        self.title = readable(info["title"][:MAX_TEXT_LENGTH])[:MAX_TITLE_LENGTH]
        duration = info.get("duration")
        self.duration_seconds = float(duration) if isinstance(duration, int | float) else None
        self.send(
            Metadata(title=self.title, extractor=extractor, media_id=media_id, media=media_of(info))
        )
        if self.ask_first is not None and media_id and extractor != GENERIC:
            self.ask_first()
            self.ask_first = None
        sidecars = None if self.made and self.made.only_checks else self.sidecars
        if sidecars is not None:
            sidecars.fetch(info)
        if self.preview is not None and not (sidecars and sidecars.lacks_picture):
            self.preview.begin(info, kept=sidecars.picture if sidecars else None)
            # Before the phase that follows: its row is drawn once, when that begins.
            self.preview.send_if_there()

    def on_progress(self, report: dict[str, Any]) -> None:
        """yt-dlp's progress hook."""
        self.enter(Phase.FETCHING)
        name = Path(report.get("filename") or "").name
        self.received[name] = int(report.get("downloaded_bytes") or 0)
        total_received = sum(self.received.values())
        if total_received > self.job.max_bytes or (report.get("total_bytes") or 0) > (
            self.job.max_bytes
        ):
            raise TooLarge(f"over the limit of {self.job.max_bytes} bytes")
        finished = report.get("status") == "finished"
        if not finished:
            self.announced[name] = report.get("total_bytes") if _is_one_file(report) else None
        advance = self.forecast.advance(report)
        now = time.monotonic()
        if finished or now - self._last_advance_at >= ADVANCE_INTERVAL_SECONDS:
            self._last_advance_at = now
            self.send(advance)
            if self.preview is not None:
                self.preview.send_if_there()
        if finished and _is_one_file(report):
            self._prove(name)

    def show_life(self) -> None:
        """Tell the worker that the site sends something, which is not counted."""
        self.send(Advance(received_bytes=0))

    def on_recorded(self, size_bytes: int) -> None:
        """The recorder's hook: how much of a live stream is on the disk."""
        if self.phase is not Phase.RECORDING:
            self.duration_seconds = None
            if size_bytes:
                self.send(Resumed(received_bytes=size_bytes))
        self.enter(Phase.RECORDING)
        now = time.monotonic()
        is_more = size_bytes > self._recorded_bytes
        # The last of several at once counts: an attempt that got further is none of the tries.
        if is_more or now - self._last_advance_at >= ADVANCE_INTERVAL_SECONDS:
            self._last_advance_at, self._recorded_bytes = now, size_bytes
            self.send(Advance(received_bytes=size_bytes))
            if self.preview is not None:
                self.preview.send_if_there()

    def _prove(self, name: str) -> None:
        """Read through a file whose length nobody announced, or whose container says that there
        is more of it, as long as it is what the site sent.

        What ffmpeg makes of half a file is whole in itself.
        """
        path = Path(self.job.directory, name)
        whole = is_whole(path)
        is_announced = self.announced.get(name) == self.received[name]
        if not is_announced or self.resume.is_doubtful or whole is False:
            self.enter(Phase.VERIFYING)
            describe(path)
            if self.downloader.has_open_end or whole is False:
                require_its_end(path)
            read_through(path, announced_seconds=None if whole else self.only_evidence())
            self.announced[name] = self.received[name]

    def only_evidence(self) -> float | None:
        """The duration that the site stated, in seconds; None if the transport proved the end."""
        return self.duration_seconds if self.downloader.has_open_end else None

    def on_post_processing(self, report: dict[str, Any]) -> None:
        """yt-dlp's hook of post-processors; moving the file into place is not worth a phase."""
        if report.get("postprocessor") != "MoveFiles":
            self.resume.forget()  # from here on the file is not what the site sent
            self.enter(Phase.POST_PROCESSING)

    def is_proven(self) -> bool:
        """Whether every file arrived with a length that was announced, or was read through."""
        return bool(self.received) and all(
            self.announced.get(name) == size for name, size in self.received.items()
        )


def _is_one_file(report: dict[str, Any]) -> bool:
    """Whether the report is of one body over HTTP: the total of fragments is an estimate."""
    info = report.get("info_dict") or {}
    return info.get("protocol") in ("http", "https") and "fragment_index" not in report


def fulfil(
    downloader: downloading.Downloader,
    job: Job,
    guard: Guard,
    lending: Lending,
    *,
    send: Send,
    wishes: Wishes,
) -> None:
    """Run the job with what it was lent; send what is to be kept for others, and how it ended.

    Raises as `run` does.
    """
    lending.lend(downloader)
    succeeded = run(downloader, job, guard, send=send, wishes=wishes)
    for renewed in lending.renewed(downloader):
        send(renewed)
    for learned in downloader.memory.learned():
        send(learned)
    send(succeeded)


def run(
    downloader: downloading.Downloader, job: Job, guard: Guard, *, send: Send, wishes: Wishes
) -> Succeeded:
    """Fetch what the job says into its directory, unless an earlier attempt has finished it.

    A link for several videos is read and sent as a list. A check fetches nothing; nor does a job
    with a film of the library, which is put into another container.

    Raises whatever yt-dlp raises, and NotOneVideo, TooLarge, Incomplete, PolicyBlocked, DoesNotFit.
    """
    if (finished := take_finished(Path(job.directory))) is not None:
        return finished
    fetching = Fetching(job, send, downloader)
    downloader.params["logger"].speak_to(send)
    if job.film:
        return remuxed(downloader, job, enter=fetching.enter)
    made = downloading.fit(downloader, job)
    fetching.ask_first = wishes.wait_for_take if job.asks_first else None
    live = equip(fetching, made, guard, wishes=wishes)
    lists = downloader.lists = ListReader(downloader, job, send=send, wishes=wishes)
    preview = fetching.preview
    if preview is not None:
        lists.on_list = partial(preview.begin, kept=None)
    info = extracted(downloader, live, job.url)
    if lists.ended is not None:
        if preview is not None:
            preview.finish()
        return lists.ended
    try:
        fetched = checked(fetching) if made.only_checks else verified(info, fetching)
    except Exception:
        fetching.resume.forget()  # or the next attempt would end the same way
        raise
    if preview is not None:
        preview.finish()
    return fetched


def equip(fetching: Fetching, made: Recipe, guard: Guard, *, wishes: Wishes) -> Live:
    """Give yt-dlp's copy in this child all that takes part in one download; return its `live`."""
    downloader, job = fetching.downloader, fetching.job
    if job.servers:
        downloader.assistance = Assistance(downloader, guard, servers=job.servers)
    downloader.resume, downloader.enter = fetching.resume, fetching.enter
    downloader.params["match_filter"] = fetching.on_video
    downloader.add_progress_hook(fetching.on_progress)
    downloader.add_postprocessor_hook(fetching.on_post_processing)
    fetching.live = downloader.live = Live(
        downloader,
        job,
        wish=made.live,
        wishes=wishes,
        on_recorded=fetching.on_recorded,
        on_joining=partial(fetching.enter, Phase.POST_PROCESSING),
    )
    fetching.made = made
    fetching.sidecars = Sidecars(
        downloader,
        made.beside,
        directory=Path(job.directory),
        guard=guard,
        clip=made.pack.clip,
        stall_seconds=job.stall_seconds,
        on_life=fetching.show_life,
    )
    if job.wants_preview:
        fetching.preview = Preview(downloader, guard, Path(job.directory), send=fetching.send)
    warn = fetching.sidecars.warn
    if not made.only_checks:
        sponsors.add_to(downloader, made.sponsorblock, warn=warn)
    downloader.packing = Packing(downloader, made.pack, fetching.sidecars, warn=warn)
    return fetching.live


def extracted(downloader: downloading.Downloader, live: Live, url: str) -> Any:
    """What yt-dlp fetched from an address; or what was recorded of it before the site failed."""
    if live.is_stopped:
        return live.finish()
    try:
        return downloader.extract_info(url)
    except Exception as error:
        if not live.can_finish(error):
            premiere.raise_with_start(error, downloader, url, wish=live.wish)
            raise
    return live.finish()


def checked(fetching: Fetching) -> Checked:
    """What is known of a video that was only looked up. Raises NotOneVideo when there is none."""
    video = fetching.info
    if not video:
        raise NotOneVideo("No video was found")
    chosen = chosen_of(video)
    measure(chosen, opener=fetching.downloader)
    size_bytes = size_of(chosen, seconds=fetching.duration_seconds)
    return Checked(
        media={
            **media_of(video),
            **({"bytes": size_bytes} if size_bytes else {}),
            "formats": [each.as_dict() for each in found_in(video)],
        }
    )


def verified(info: Any, fetching: Fetching) -> Fetched:
    """What yt-dlp finished, when all of it is as it should be. Raises as `run` does."""
    paths = finished_paths(info, Path(fetching.job.directory))
    fetching.enter(Phase.VERIFYING)
    # Before anything else opens it: ffmpeg would follow a link and wait for ever at a pipe.
    files = [describe(path) for path in paths]
    if not fetching.is_proven():
        for path in paths:
            read_through(path, announced_seconds=fetching.only_evidence())
    if fetching.sidecars is not None:
        files += fetching.sidecars.published(fetching.info)
    streams = streams_in(paths[0])
    return Fetched(
        title=fetching.title,
        files=files,
        data=data_of(streams, fetching),
        media=came(streams, fetching.info, paths[0]),
        about=about_of(said_of(fetching)),
    )


def said_of(fetching: Fetching) -> dict[str, Any]:
    """What the site said of the video; without its chapters when parts of it were left out."""
    made = fetching.made
    is_whole = made is None or not (made.pack.clip or made.sponsorblock == "remove")
    return fetching.info if is_whole else {**fetching.info, "chapters": []}


def data_of(streams: Streams | None, fetching: Fetching) -> dict[str, Any]:
    """What the history tells of the fetched video: what it lacks, and how it was recorded."""
    is_silent = streams is not None and streams.video_codec and not streams.audio_codec
    recorded = fetching.live.data if fetching.live else {}
    warnings = list(fetching.sidecars.warnings) if fetching.sidecars else []
    if fetching.made and fetching.made.compatible and not is_compatible(streams):
        warnings.append({"code": "not_compatible"})
    if fetching.made and fetching.made.pack.clip and recorded:
        warnings.append({"code": "whole_recording"})
    return {
        **({"code": "in_a_list"} if fetching.downloader.is_in_a_list else {}),
        **({"code": "without_sound"} if is_silent else {}),
        **recorded,
        **({"warnings": warnings} if warnings else {}),
    }


def finished_paths(info: Any, directory: Path) -> list[Path]:
    """The files that yt-dlp says it finished; all lie in the directory itself."""
    if not isinstance(info, dict):
        raise NotOneVideo("No video was found")
    videos = [entry for entry in info.get("entries") or [] if entry] or [info]
    downloads = [part for video in videos for part in video.get("requested_downloads") or []]
    paths = [directory / Path(str(part["filepath"])) for part in downloads if "filepath" in part]
    if not paths:
        raise NotOneVideo("No video was found")
    for path in paths:
        if path.parent != directory:
            raise Incomplete(f"{path.name} lies outside of its directory")
        if not path.exists():
            raise Incomplete(f"{path.name} was not written")
    return paths
