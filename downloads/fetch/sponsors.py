"""Asks SponsorBlock which parts of a video are advertising, and marks or removes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor import ModifyChaptersPP, SponsorBlockPP
from yt_dlp.utils import PostProcessingError

from downloads.fetch.verify import playable_seconds

SPONSORED = ("sponsor", "selfpromo", "interaction", "intro", "outro", "preview", "filler")

Info = dict[str, Any]


class Sponsors(SponsorBlockPP):  # type: ignore[misc]
    """Asks for the parts. An answer that does not come costs a warning, not the video."""

    def __init__(self, downloader: Any, *, warn: Callable[..., None], **values: Any) -> None:
        super().__init__(downloader, categories=SPONSORED, **values)
        self._warn = warn

    def run(self, info: Info) -> tuple[list[str], Info]:
        try:
            answer: tuple[list[str], Info] = super().run(info)
        except PostProcessingError:
            self._warn("not_fetched", what="sponsorblock")
            return [], info
        return answer


class Cut(ModifyChaptersPP):  # type: ignore[misc]
    """Makes chapters of the parts, or removes them. Needs no ffprobe, as yt-dlp's own does."""

    def __init__(self, downloader: Any, *, removes: bool) -> None:
        super().__init__(downloader, remove_sponsor_segments=SPONSORED if removes else ())
        self.removes = removes

    def _get_real_video_duration(self, filepath: str, fatal: bool = True) -> float | None:
        return playable_seconds(Path(filepath))


def add_to(downloader: Any, sponsorblock: str, *, warn: Callable[..., None], **values: Any) -> None:
    """Add what the option asks for to the post-processors; `values` are SponsorBlock's."""
    if sponsorblock != "off":
        asking = Sponsors(downloader, warn=warn, **values)
        downloader.add_post_processor(asking, when="after_filter")
        downloader.add_post_processor(Cut(downloader, removes=sponsorblock == "remove"))
