"""The places at which yt-dlp is mended.

Each says what yt-dlp does there; a test notices when it no longer does.
"""

import functools
from typing import Any

from yt_dlp.downloader import fragment
from yt_dlp.downloader.common import FileDownloader
from yt_dlp.downloader.dash import DashSegmentsFD
from yt_dlp.downloader.fragment import FragmentFD
from yt_dlp.downloader.hls import HlsFD
from yt_dlp.extractor import generic
from yt_dlp.extractor.common import InfoExtractor

from downloads.fetch import fragments, hls, listing, master, parallel, periods


@functools.cache  # a function that is wrapped twice would judge its own work
def mend() -> None:
    """Wrap functions of yt-dlp, for this process and those that are forked from it."""
    FileDownloader._report_progress_status = _show_nothing
    FileDownloader._hook_progress = parallel.in_turn(FileDownloader._hook_progress)
    InfoExtractor._parse_m3u8_vod_duration = hls.vod_seconds
    InfoExtractor._parse_m3u8_formats_and_subtitles = master.with_sound(
        InfoExtractor._parse_m3u8_formats_and_subtitles
    )
    InfoExtractor._parse_mpd_periods = periods.with_durations(InfoExtractor._parse_mpd_periods)
    InfoExtractor._merge_mpd_periods = periods.joining(InfoExtractor._merge_mpd_periods)
    InfoExtractor._yes_playlist = listing.noticing_lists(InfoExtractor._yes_playlist)
    generic.unified_timestamp = listing.dating_feeds(generic.unified_timestamp)
    HlsFD.real_download = hls.clarifying(HlsFD.real_download)
    DashSegmentsFD.real_download = fragments.announcing(DashSegmentsFD.real_download)
    FragmentFD.download_and_append_fragments = parallel.where_it_may(
        FragmentFD.download_and_append_fragments
    )
    FragmentFD._download_fragment = parallel.apart(
        fragments.of_its_length(FragmentFD._download_fragment)
    )
    FragmentFD.decrypter = fragments.leaving_clear(FragmentFD.decrypter)
    fragment.unpad_pkcs7 = fragments.unpadded
    FragmentFD._append_fragment = fragments.as_announced(FragmentFD._append_fragment)
    FragmentFD._finish_frag_download = fragments.finishing(FragmentFD._finish_frag_download)


def _show_nothing(self: FileDownloader, report: Any, template: str) -> None:
    """Nobody sees yt-dlp's line of progress, which it renders by two templates each time."""
