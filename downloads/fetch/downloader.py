"""yt-dlp as vnsite uses it: the options that we choose, and a resume that cannot splice.

Built once in the fork server; a forked child sets what belongs to its download on its own copy.
"""

import _strptime  # type: ignore[import-not-found]  # no stub: it is private
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp.extractor import gen_extractor_classes
from yt_dlp.extractor.common import UnsupportedURLIE
from yt_dlp.networking import Request, Response
from yt_dlp.networking._requests import RequestsRH
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.postprocessor import FFmpegPostProcessor
from yt_dlp.utils import KNOWN_EXTENSIONS, DownloadError, determine_protocol, unified_timestamp

from downloads.fetch import premiere
from downloads.fetch.assistance import Assistance
from downloads.fetch.extractors import Matcher, keep_needs, known_needs
from downloads.fetch.listing import LISTS, ListReader
from downloads.fetch.live import Live
from downloads.fetch.log import Voice
from downloads.fetch.media import PROTOCOLS
from downloads.fetch.memory import Memory
from downloads.fetch.mending import mend
from downloads.fetch.packing import Packing
from downloads.fetch.parallel import AT_ONCE
from downloads.fetch.pieces import Pieces, wanted_by
from downloads.fetch.protocol import Job
from downloads.fetch.read_limits import Pages, name_as_media, refuse_too_much
from downloads.fetch.recipe import Recipe, recipe
from downloads.fetch.resume import Resume, strong_etag
from downloads.fetch.versions import remembered
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Phase
from downloads.sandbox.guard import PolicyBlocked
from downloads.sandbox.programs import find_ffmpeg

OUTPUT_NAME = "media"
RETRIES = 3
# A connection may be silent for nearly as long as a download may: then it is the one that says so.
SILENCE_SHARE = 0.9
PROGRAMS = "programs.json"  # beside what extractors need
NOWHERE = "https://vnsite.invalid/video.mp4"
# A video that is processed once, up to the fetching, to have all that this needs compiled.
REHEARSAL = {
    "id": "video",
    "title": "video",
    "url": NOWHERE,
    "ext": "mp4",
    "extractor": "generic",
    "extractor_key": "Generic",
    "webpage_url": NOWHERE,
    "timestamp": 0,
}
# The resume of a file. A range with an end is a piece that the site itself divided its file into
# (fragments of HLS, chunks of YouTube), and must stay as it is.
THE_REST = re.compile(r"bytes=([1-9]\d*)-")


class Downloader(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """A YoutubeDL that goes on in a file only when the site proves that it is the same file.

    yt-dlp's own resume asks for the rest by `Range` and appends what comes; when the file changed
    in between, that splices two versions with exit code 0. The one file of a download is followed
    by `resume`. For all else a request for the rest carries `If-Range` with the strong ETag of the
    first answer, and the answer must bear the same; without one it asks for the whole.
    """

    def __init__(self, params: dict[str, Any]) -> None:
        # Set in the child, as the next seven.
        self.resume: Resume | None = None
        self.live: Live | None = None
        self.assistance: Assistance | None = None  # None: no server is named
        self.packing: Packing | None = None
        self.wish_for_live = "wait"  # the option `live`
        self.lists: ListReader | None = None
        self.enter: Callable[[Phase], None] = lambda phase: None
        self.before_waiting: Callable[[], None] = lambda: None  # for an answer of the site
        self.pages = Pages()
        # Whether a body that was fetched ended with its connection, so that nothing proves its end.
        self.has_open_end = False
        self.video: dict[str, Any] = {}  # the newest that was found, with its formats
        self.is_in_a_list = False  # its link names a list as well, which was not asked for
        self._is_fetching = False
        self.pieces: Pieces | None = None  # while a fragment is fetched
        self._validators: dict[str, str] = {}
        self._selectors: dict[str, Any] = {}  # yt-dlp's functions, by what chooses formats
        self.needs: Path | None = None  # where what extractors need is kept; None: nowhere
        super().__init__(params, auto_init="no_verbose_header")
        self.cache = self.memory = Memory(self)

    def add_default_info_extractors(self) -> None:
        """As yt-dlp's, which compares each of 1,900 names with all before it, twice."""
        named = {each.IE_NAME.lower(): each for each in gen_extractor_classes()}
        for extractor in (*named.values(), UnsupportedURLIE()):
            if extractor._ENABLED:
                self.add_info_extractor(extractor)

    def _forceprint(self, key: str, info_dict: Any) -> Any:
        """Nothing is printed; yt-dlp renders every table seven times before it notices that."""
        return info_dict

    def prepare_filename(
        self, info_dict: dict[str, Any], dir_type: str = "", **kwargs: Any
    ) -> str | None:
        """As yt-dlp's, which renders a template for each name, even of files that it never writes.

        There is one template, and of other types ("description", "infojson") nothing is written.
        """
        extension = info_dict.get("ext")
        if kwargs.get("outtmpl") or extension not in KNOWN_EXTENSIONS:
            name: str | None = super().prepare_filename(info_dict, dir_type, **kwargs)
            return name
        return f"{OUTPUT_NAME}.{extension}" if dir_type in ("", "temp") else ""

    def build_format_selector(self, format_spec: str) -> Any:
        """As yt-dlp's; the usual one is there since before the fork."""
        if format_spec not in self._selectors:
            self._selectors[format_spec] = super().build_format_selector(format_spec)
        return self._selectors[format_spec]

    def save_cookies(self) -> None:
        """Write no cookie to a file, whatever yt-dlp's options say."""

    @functools.cached_property
    def matcher(self) -> Matcher:
        if self.needs is None:
            return Matcher(self._ies, needs={})
        known = known_needs(self.needs)
        matcher = Matcher(self._ies, needs=known)
        if matcher.needs != known:
            keep_needs(self.needs, matcher.needs)
        return matcher

    def extract_info(self, url: str, *args: Any, ie_key: str | None = None, **kwargs: Any) -> Any:
        """As yt-dlp's, but for the way in which the extractor is found, and how often."""
        self.pages.follow(url)
        return super().extract_info(url, *args, ie_key=ie_key or self.matcher.find(url), **kwargs)

    def process_ie_result(self, ie_result: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As yt-dlp's; a list of several videos is read, and no entry is looked at."""
        if (
            self.lists is not None
            and ie_result.get("_type") in LISTS
            and self.lists.reads(ie_result)
        ):
            return None
        return super().process_ie_result(ie_result, *args, **kwargs)

    def _wait_for_video(self, ie_result: dict[str, Any] | None = None) -> None:
        """Raise NotStarted for a video that is announced, where yt-dlp would sleep until then."""
        premiere.refuse_announced(ie_result or {}, wish=self.wish_for_live)

    def process_video_result(self, info_dict: dict[str, Any], download: bool = True) -> Any:
        refuse_too_much(info_dict)
        name_as_media(info_dict)
        self.video = info_dict
        if self.live is not None:
            self.live.narrow(info_dict)
        return super().process_video_result(info_dict, download)

    def process_info(self, info_dict: dict[str, Any]) -> Any:
        if self.live is not None:
            self.live.look(info_dict)
        return super().process_info(info_dict)

    def post_process(self, filename: str, info: Any, files_to_move: Any = None) -> Any:
        """As yt-dlp's, but that all copying of streams is left to the packing, if it is needed."""
        if self.packing is None:
            return super().post_process(filename, info, files_to_move)
        info["filepath"] = filename
        self.packing.take_over(info)
        info = super().post_process(filename, info, files_to_move)
        return self.run_pp(self.packing, info) if self.packing.is_needed(info) else info

    def dl(self, name: str, info: Any, subtitle: bool = False, test: bool = False) -> Any:
        """As yt-dlp's: fetch one file of a video, with more patience while it gets further."""
        if subtitle and determine_protocol(info) not in PROTOCOLS:
            raise PolicyBlocked(f"The protocol {determine_protocol(info)!r} is not allowed")
        if subtitle or test:
            return super().dl(name, info, subtitle, test)
        if self.live is not None and self.live.takes(info):
            self.live.record(name, info)
            return True, True
        self._is_fetching = True
        if self.resume is None:
            return super().dl(name, info)
        self.resume.begin(name, info)
        while True:
            before = self.resume.received_bytes()
            try:
                return super().dl(name, info)
            except DownloadError:
                if self.resume.received_bytes() <= before:
                    raise

    def urlopen(self, req: Any) -> Response:
        self.before_waiting()
        request = req if isinstance(req, Request) else Request(req)
        if self.assistance is not None and self.assistance.is_meant(request):
            return self.pages.limit(self.assistance.open(request))
        try:
            response = self._open(request)
        except HTTPError as error:
            self.pages.limit(error.response)
            raise
        length = str(response.headers.get("Content-Length", "0"))
        if not (length.isascii() and length.isdecimal()):
            del response.headers["Content-Length"]  # nonsense announces nothing
        is_framed = "Content-Length" in response.headers or _is_chunked(response)
        self.has_open_end |= self._is_fetching and not is_framed
        return self.pages.limit(response)

    def open_beside(self, request: Request) -> Response:
        """Open what is not a part of the download, from any thread; to be read in blocks."""
        response: Response = super().urlopen(request)
        return response

    def warm_connections(self) -> None:
        """Make what all connections share: building its TLS context takes 30 ms, even for http."""
        self._session()

    def close_connections(self) -> None:
        """Close the connections that are kept for the next request; it makes a new one."""
        if session := self._session():
            session.close()

    def _session(self) -> Any:
        """Return the session of `requests` for all that is not special; None without `requests`."""
        handler = self._request_director.handlers.get(RequestsRH.RH_KEY)
        if handler is None:
            return None
        return handler._get_instance(cookiejar=self.cookiejar, legacy_ssl_support=None)

    def _open(self, request: Request) -> Response:
        rest = THE_REST.fullmatch(request.headers.get("Range", ""))
        if self.resume is not None and self.resume.follows(request):
            start = int(rest[1]) if rest else 0
            return self.resume.open(request, start=start, urlopen=super().urlopen)
        wanted = wanted_by(request.headers)
        if self.pieces is not None and wanted:
            return self.pieces.open(request, wanted, urlopen=super().urlopen)
        if rest and request.url in self._validators:
            response = self._go_on(request, self._validators[request.url])
        else:
            response = super().urlopen(request)
        self._validators[request.url] = strong_etag(response.headers)
        return response

    def _go_on(self, request: Request, validator: str) -> Response:
        if validator:
            request.headers["If-Range"] = validator
            response: Response = super().urlopen(request)
            if response.status != 206 or strong_etag(response.headers) == validator:
                return response
            response.close()  # a server that does not know If-Range sent the rest of another file
            del request.headers["If-Range"]
        del request.headers["Range"]
        return super().urlopen(request)


def _is_chunked(response: Response) -> bool:
    return str(response.headers.get("Transfer-Encoding", "")).lower() == "chunked"


def build(*, deno: Path | None = None, needs: Path | None = None) -> Downloader:
    """A downloader with all that is the same for every download, and its caches warm.

    `deno`: the JavaScript runtime; None: there is none. `needs`: a file for what extractors need
    of a URL, with one beside it for the versions of ffmpeg; None: both are found out anew.
    """
    ffmpeg = find_ffmpeg()
    mend()
    if ffmpeg:
        # Where yt-dlp looks for ffmpeg without asking its options, it would take one of the PATH.
        FFmpegPostProcessor._ffmpeg_location.set(str(ffmpeg))
    downloader = Downloader(
        {
            "quiet": True,
            "no_warnings": True,
            "noprogress": True,
            "logger": Voice(),
            "color": "never",
            "cachedir": False,
            "outtmpl": {"default": f"{OUTPUT_NAME}.%(ext)s"},
            "overwrites": True,
            "updatetime": False,
            "retries": RETRIES,
            "fragment_retries": RETRIES,
            "extractor_retries": 1,
            "skip_unavailable_fragments": False,
            "_no_ytdl_file": True,  # of where to go on: no attempt does, within a stream
            "hls_prefer_native": True,
            "proxy": "",
            "enable_file_urls": False,
            "js_runtimes": {"deno": {"path": str(deno)} if deno else {}},
            "remote_components": [],
            "ffmpeg_location": str(ffmpeg) if ffmpeg else None,
        }
    )
    downloader.needs = needs
    _warm_up(downloader)
    return downloader


def _warm_up(downloader: Downloader) -> None:
    """Do once what every child would do again: import, compile, build, ask ffmpeg its version."""
    downloader.matcher.find(NOWHERE)
    downloader.get_info_extractor("Generic")  # imports a fifth of yt-dlp
    downloader.warm_connections()
    processor = FFmpegPostProcessor(downloader)
    with remembered(downloader.needs.with_name(PROGRAMS) if downloader.needs else None):
        _ = processor.available, processor.probe_available
    usual = recipe(DownloadOptions(), has_ffmpeg=processor.available)
    downloader.build_format_selector(usual.params["format"])
    # Every date of a video is tried with some fifty formats; Python remembers five of them.
    _strptime._CACHE_MAX_SIZE = 200
    unified_timestamp("Thu, 01 Jan 1970 00:00:00 GMT")
    downloader.params["simulate"] = True
    downloader.process_ie_result(dict(REHEARSAL))
    downloader.params["simulate"] = False
    downloader.video = {}


def fit(downloader: Downloader, job: Job) -> Recipe:
    """Set the options of one download, and return what else they mean.

    For the copy in a forked child only. Raises InvalidOption.
    """
    for handler in downloader._request_director.handlers.values():  # the option came too late
        handler.timeout = SILENCE_SHARE * job.stall_seconds
    options = DownloadOptions.from_mapping(job.options)
    downloader.params["noplaylist"] = options.playlist == "no"
    made = recipe(options, has_ffmpeg=FFmpegPostProcessor(downloader).available)
    downloader.params.update(made.params)
    downloader.memory.folder = Path(job.memory) if job.memory else None
    downloader.wish_for_live = made.live
    rates = [rate for rate in (job.rate_limit, made.params.get("ratelimit")) if rate]
    downloader.params["ratelimit"] = min(rates, default=None)
    # A limit of the speed is one of each fragment.
    downloader.params[AT_ONCE] = 1 if rates else job.fragments_at_once
    downloader.format_selector = downloader.build_format_selector(made.params["format"])
    return made
