"""The closed set of error classes: what each says, what to do next, whether it is retried."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from downloads.rules.words import marked


class ErrorClass(StrEnum):
    NETWORK = "network"
    RATE_LIMITED = "rate_limited"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    LOGIN_REQUIRED = "login_required"
    GEO_BLOCKED = "geo_blocked"
    DRM = "drm"
    UNSUPPORTED = "unsupported"
    EXTRACTOR_BROKEN = "extractor_broken"
    JS_RUNTIME_MISSING = "js_runtime_missing"
    FFMPEG_MISSING = "ffmpeg_missing"
    FORMAT_UNAVAILABLE = "format_unavailable"
    LIVE_NOT_STARTED = "live_not_started"
    STALLED = "stalled"
    TIMED_OUT = "timed_out"
    TOO_LARGE = "too_large"
    DISK_FULL = "disk_full"
    INCOMPLETE = "incomplete"
    POLICY_BLOCKED = "policy_blocked"
    TLS = "tls"
    STORAGE = "storage"
    WORKER_LOST = "worker_lost"
    INTERNAL = "internal"


class Retry(StrEnum):
    """Whether an attempt that failed so is followed by another one by itself."""

    NEVER = "never"
    BACKOFF = "backoff"
    ONCE = "once"
    AT_ONCE = "at_once"


@dataclass(frozen=True, kw_only=True)
class Advice:
    sentence: str  # what happened
    next_step: str  # what the person can do now
    retry: Retry = Retry.NEVER


ADVICE: dict[ErrorClass, Advice] = {
    ErrorClass.NETWORK: Advice(
        sentence=marked("The site could not be reached."),
        next_step=marked("Check the address and this machine's connection, then retry."),
        retry=Retry.BACKOFF,
    ),
    ErrorClass.RATE_LIMITED: Advice(
        sentence=marked("The site asks us to slow down."),
        next_step=marked("Wait a while, then retry."),
        retry=Retry.BACKOFF,
    ),
    ErrorClass.FORBIDDEN: Advice(
        sentence=marked("The site refused the request (403)."),
        next_step=marked(
            "Retry later; the site may refuse this network, or want the cookies of a login."
        ),
        retry=Retry.ONCE,
    ),
    ErrorClass.UNAVAILABLE: Advice(
        sentence=marked("The site says this video does not exist (404)."),
        next_step=marked("Open the source page to see whether the address is right."),
    ),
    ErrorClass.LOGIN_REQUIRED: Advice(
        sentence=marked("The site wants a login for this video."),
        next_step=marked("Give your cookies of the site (Cookies, at the top), then retry."),
    ),
    ErrorClass.GEO_BLOCKED: Advice(
        sentence=marked("The video is not offered in this country."),
        next_step=marked("Open the source page to see where it is offered."),
    ),
    ErrorClass.DRM: Advice(
        sentence=marked("The video is protected by DRM. It cannot be downloaded."),
        next_step=marked("Watch it on the source page."),
    ),
    ErrorClass.UNSUPPORTED: Advice(
        sentence=marked("No video was found at this address."),
        next_step=marked("Paste the address of a video, a playlist or a channel."),
    ),
    ErrorClass.EXTRACTOR_BROKEN: Advice(
        sentence=marked("The site changed and yt-dlp does not understand it."),
        next_step=marked("Update vnsite's yt-dlp, then retry."),
    ),
    ErrorClass.JS_RUNTIME_MISSING: Advice(
        sentence=marked("This site needs a JavaScript runtime."),
        next_step=marked("Run bin/setup again, or install deno, then retry."),
    ),
    ErrorClass.FFMPEG_MISSING: Advice(
        sentence=marked("Video and sound came separately and ffmpeg is missing."),
        next_step=marked("Install ffmpeg, then retry."),
    ),
    ErrorClass.FORMAT_UNAVAILABLE: Advice(
        sentence=marked("This video cannot be had with the chosen options."),
        next_step=marked("Retry with other options."),
    ),
    ErrorClass.LIVE_NOT_STARTED: Advice(
        sentence=marked("The live stream has not started."),
        next_step=marked("Retry when it has."),
    ),
    ErrorClass.STALLED: Advice(
        sentence=marked("The download stopped making progress."),
        next_step=marked(
            "Retry. For a slow site raise VNSITE_STALL_SECONDS, or lower"
            " VNSITE_MIN_BYTES_PER_SECOND."
        ),
        retry=Retry.BACKOFF,
    ),
    ErrorClass.TIMED_OUT: Advice(
        sentence=marked("The download took longer than the limit."),
        next_step=marked("Retry, choose a lower quality, or raise VNSITE_MAX_SECONDS."),
    ),
    ErrorClass.TOO_LARGE: Advice(
        sentence=marked("The download is over the size limit."),
        next_step=marked("Choose a lower quality, or raise VNSITE_MAX_BYTES."),
    ),
    ErrorClass.DISK_FULL: Advice(
        sentence=marked("The disk is full."),
        next_step=marked("Make room, then retry."),
        retry=Retry.BACKOFF,
    ),
    ErrorClass.INCOMPLETE: Advice(
        sentence=marked("The site delivered less than it promised."),
        next_step=marked("Retry."),
        retry=Retry.BACKOFF,
    ),
    ErrorClass.POLICY_BLOCKED: Advice(
        sentence=marked("The download wanted to reach an address that is not allowed."),
        next_step=marked("An administrator can allow a host with VNSITE_ALLOW_PRIVATE_HOSTS."),
    ),
    ErrorClass.TLS: Advice(
        sentence=marked("The site's certificate is not valid."),
        next_step=marked("Open the source page to see what the browser says of it."),
    ),
    ErrorClass.STORAGE: Advice(
        sentence=marked("A folder of vnsite cannot be written."),
        next_step=marked("Run manage.py doctor; it names the folder and the reason."),
    ),
    ErrorClass.WORKER_LOST: Advice(
        sentence=marked("The worker stopped while downloading."),
        next_step=marked("Retry."),
        retry=Retry.AT_ONCE,
    ),
    ErrorClass.INTERNAL: Advice(
        sentence=marked("Something broke in vnsite."),
        next_step=marked("Retry; if it happens again, report it with the details below."),
    ),
}


# Instead of those of the class, when the data of an error have this `code`.
BY_CODE: dict[str, Advice] = {
    "encryption": Advice(
        sentence=marked("The stream is encrypted in a way that is not supported."),
        next_step=marked("Watch it on the source page."),
    ),
    "empty_clip": Advice(
        sentence=marked("The chosen part is not in the video."),
        next_step=marked("Retry with another part."),
    ),
    "source_gone": Advice(
        sentence=marked("The film that was to be remuxed is not in the library any more."),
        next_step=marked("Download it again, with a container that browsers play."),
    ),
    "live_refused": Advice(
        sentence=marked("It is a live stream, and the options refuse those."),
        next_step=marked("Retry with another choice for live streams."),
    ),
    "handshake": Advice(
        sentence=marked("The site answers only what connects as a browser does."),
        next_step=marked("Watch it on the source page: vnsite does not pretend to be a browser."),
    ),
    "is_list": Advice(
        sentence=marked("The link stands for a list, and only one video was asked for."),
        next_step=marked("Retry, and have its list read."),
    ),
    "list_too_deep": Advice(
        sentence=marked("This is a list within lists, and those are read to a depth of three."),
        next_step=marked("Add its link by itself."),
    ),
    "media_type": Advice(
        sentence=marked("What the site sent is not a video or sound of a known type."),
        next_step=marked(
            "Open the source page to see what it is; the details below name its type."
        ),
    ),
    "no_sound": Advice(
        sentence=marked("The video has no sound."),
        next_step=marked("Retry as a video."),
    ),
    "not_a_list": Advice(
        sentence=marked("The link is of one video, not of a list."),
        next_step=marked("Give the subscription the link of a channel, playlist or feed."),
    ),
    "not_decrypted": Advice(
        sentence=marked("A part of the encrypted stream could not be decrypted."),
        next_step=marked("Retry. If it happens again, the site's key does not fit its stream."),
    ),
    "program": Advice(
        sentence=marked("The download wanted to start a program that is not allowed."),
        next_step=marked(
            "Look at the details below; manage.py doctor names the programs that are used."
        ),
    ),
    "protocol": Advice(
        sentence=marked("The video comes by a protocol that is not supported."),
        next_step=marked("Watch it on the source page."),
    ),
    "proxy": Advice(
        sentence=marked("The proxy of this site does not work."),
        next_step=marked(
            "Staff can change the site's proxy; the details below say what it answered."
        ),
    ),
    "read_only": Advice(
        sentence=marked("A folder of vnsite is on a disk that is mounted read-only."),
        next_step=marked("Mount it so that it can be written, then retry."),
    ),
    "redirect_loop": Advice(
        sentence=marked("The site sends us from one address to the next without end."),
        next_step=marked("Open the source page to see whether it opens there, then retry."),
    ),
    "server_error": Advice(
        sentence=marked("The site answered that it has an error of its own."),
        next_step=marked("Retry later; such errors are usually mended soon."),
    ),
    "slow_filter": Advice(
        sentence=marked("A regular expression of the subscription takes too long."),
        next_step=marked("Make it simpler, or use words."),
    ),
    "unusable_options": Advice(
        sentence=marked("The options of the subscription are not those of this version."),
        next_step=marked("Edit the subscription and save it anew."),
    ),
    "wrong_address": Advice(
        sentence=marked("The page gives an address for its video that cannot be right."),
        next_step=marked("Open the source page to see whether it plays there."),
    ),
}


def advice_of(error_class: ErrorClass, data: Mapping[str, Any]) -> Advice:
    """Return the words for an error; only `ADVICE` says whether its class is retried."""
    return BY_CODE.get(data.get("code", ""), ADVICE[error_class])
