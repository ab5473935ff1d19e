"""The closed set of error classes: what each says, what to do next, and whether it is tried again.

Pure: a function of values. What raised an error, and how it is taken apart into `ErrorFacts`, is
the business of `downloads.fetch`; what is done about it is the worker's.
"""

import errno
import random
import re
from dataclasses import dataclass
from enum import StrEnum


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
        sentence="The site could not be reached.",
        next_step="Check the address and this machine's connection, then retry.",
        retry=Retry.BACKOFF,
    ),
    ErrorClass.RATE_LIMITED: Advice(
        sentence="The site asks us to slow down.",
        next_step="Wait a while, then retry.",
        retry=Retry.BACKOFF,
    ),
    ErrorClass.FORBIDDEN: Advice(
        sentence="The site refused the request (403).",
        next_step="Retry later; the site may want a login or refuse this network.",
        retry=Retry.ONCE,
    ),
    ErrorClass.UNAVAILABLE: Advice(
        sentence="The video does not exist or was removed.",
        next_step="Open the source page to see whether the address is right.",
    ),
    ErrorClass.LOGIN_REQUIRED: Advice(
        sentence="The site wants a login for this video.",
        next_step="Only videos that need no login can be downloaded.",
    ),
    ErrorClass.GEO_BLOCKED: Advice(
        sentence="The video is not offered in this country.",
        next_step="Open the source page to see where it is offered.",
    ),
    ErrorClass.DRM: Advice(
        sentence="The video is protected by DRM. It cannot be downloaded.",
        next_step="Watch it on the source page.",
    ),
    ErrorClass.UNSUPPORTED: Advice(
        sentence="No single video was found at this address.",
        next_step="Paste the address of the page of one video.",
    ),
    ErrorClass.EXTRACTOR_BROKEN: Advice(
        sentence="The site changed and yt-dlp does not understand it.",
        next_step="Update vnsite's yt-dlp, then retry.",
    ),
    ErrorClass.JS_RUNTIME_MISSING: Advice(
        sentence="This site needs a JavaScript runtime.",
        next_step="Run bin/setup again, or install deno, then retry.",
    ),
    ErrorClass.FFMPEG_MISSING: Advice(
        sentence="Video and sound came separately and ffmpeg is missing.",
        next_step="Install ffmpeg, then retry.",
    ),
    ErrorClass.FORMAT_UNAVAILABLE: Advice(
        sentence="This video cannot be had with the chosen options.",
        next_step="Add the link again with other options.",
    ),
    ErrorClass.LIVE_NOT_STARTED: Advice(
        sentence="The live stream has not started.",
        next_step="Retry when it has.",
    ),
    ErrorClass.STALLED: Advice(
        sentence="The download stopped making progress.",
        next_step="Retry. For a slow site raise VNSITE_STALL_SECONDS, or lower"
        " VNSITE_MIN_BYTES_PER_SECOND.",
        retry=Retry.BACKOFF,
    ),
    ErrorClass.TIMED_OUT: Advice(
        sentence="The download took longer than the limit.",
        next_step="Retry, choose a lower quality, or raise VNSITE_MAX_SECONDS.",
    ),
    ErrorClass.TOO_LARGE: Advice(
        sentence="The download is over the size limit.",
        next_step="Choose a lower quality, or raise VNSITE_MAX_BYTES.",
    ),
    ErrorClass.DISK_FULL: Advice(
        sentence="The disk is full.",
        next_step="Make room, then retry.",
        retry=Retry.BACKOFF,
    ),
    ErrorClass.INCOMPLETE: Advice(
        sentence="The site delivered less than it promised.",
        next_step="Retry.",
        retry=Retry.BACKOFF,
    ),
    ErrorClass.POLICY_BLOCKED: Advice(
        sentence="The download wanted to reach an address that is not allowed.",
        next_step="An administrator can allow a host with VNSITE_ALLOW_PRIVATE_HOSTS.",
    ),
    ErrorClass.TLS: Advice(
        sentence="The site's certificate is not valid.",
        next_step="Open the source page to see what the browser says of it.",
    ),
    ErrorClass.STORAGE: Advice(
        sentence="A folder of vnsite cannot be written.",
        next_step="Run manage.py doctor; it names the folder and the reason.",
    ),
    ErrorClass.WORKER_LOST: Advice(
        sentence="The worker stopped while downloading.",
        next_step="Retry.",
        retry=Retry.AT_ONCE,
    ),
    ErrorClass.INTERNAL: Advice(
        sentence="Something broke in vnsite.",
        next_step="Retry; if it happens again, report it with the details below.",
    ),
}

BACKOFF_BASE_SECONDS = 2.0
BACKOFF_CAP_SECONDS = 60.0
RETRY_AFTER_CAP_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class ErrorFacts:
    """What is known of an exception, without the exception: it crossed a process boundary."""

    kinds: tuple[str, ...] = ()  # class names, the outermost exception first, then its causes
    message: str = ""
    http_status: int | None = None
    errno: int | None = None


KINDS: tuple[tuple[str, ErrorClass], ...] = (
    ("PolicyBlocked", ErrorClass.POLICY_BLOCKED),
    ("NotOneVideo", ErrorClass.UNSUPPORTED),
    ("ChildDied", ErrorClass.WORKER_LOST),
    ("ChildFailed", ErrorClass.WORKER_LOST),
    ("ProgramKilled", ErrorClass.WORKER_LOST),
    ("ProgramHangs", ErrorClass.STALLED),
    ("ProgramWroteTooMuch", ErrorClass.TOO_LARGE),
    ("DoesNotFit", ErrorClass.FORMAT_UNAVAILABLE),
    ("Stalled", ErrorClass.STALLED),
    ("TimedOut", ErrorClass.TIMED_OUT),
    ("NotMedia", ErrorClass.UNSUPPORTED),
    ("InvalidLink", ErrorClass.POLICY_BLOCKED),
    ("InvalidSchema", ErrorClass.POLICY_BLOCKED),  # a redirect to file:, ftp:, data:
    ("RefusedFile", ErrorClass.INCOMPLETE),
    ("TooLarge", ErrorClass.TOO_LARGE),
    ("NoRoom", ErrorClass.DISK_FULL),
    ("Incomplete", ErrorClass.INCOMPLETE),
    ("ContentTooShortError", ErrorClass.INCOMPLETE),
    ("IncompleteRead", ErrorClass.INCOMPLETE),
    ("GeoRestrictedError", ErrorClass.GEO_BLOCKED),
    ("CertificateVerifyError", ErrorClass.TLS),
    ("SSLEOFError", ErrorClass.NETWORK),  # hung up in the middle of it: no judgement on anything
    ("SSLZeroReturnError", ErrorClass.NETWORK),
    ("SSLError", ErrorClass.TLS),
    ("UserNotLive", ErrorClass.LIVE_NOT_STARTED),
    ("MemoryError", ErrorClass.TOO_LARGE),
    ("TimeoutExpired", ErrorClass.TIMED_OUT),
    ("_UnsafeExtensionError", ErrorClass.UNSUPPORTED),
)

ERRNOS: dict[int, ErrorClass] = {
    errno.ENOSPC: ErrorClass.DISK_FULL,
    errno.EDQUOT: ErrorClass.DISK_FULL,
    errno.EFBIG: ErrorClass.TOO_LARGE,
    errno.EROFS: ErrorClass.STORAGE,
    errno.EACCES: ErrorClass.STORAGE,
    errno.EPERM: ErrorClass.STORAGE,
    errno.EIO: ErrorClass.STORAGE,
    errno.EMFILE: ErrorClass.STORAGE,
    errno.ENFILE: ErrorClass.STORAGE,
    errno.ESTALE: ErrorClass.STORAGE,
}

# An address or a video's id may hold any word, "drm" and "premieres-in-may" included.
WHERE = re.compile(r"^\[[^\]]*\] (?:\S+: )?|\w+://\S+")

# Before the status of an answer: these say more than a 403 or a 400 does.
SAYINGS: tuple[tuple[re.Pattern[str], ErrorClass], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error_class)
    for pattern, error_class in (
        (r"\bDRM\b", ErrorClass.DRM),
        (r"(?:not|un)(?: made)?(?: this video)? ?available (?:in|from) (?:your|this) "
         r"(?:country|location|region)|blocked (?:it )?in (?:your|this) (?:country|region)"
         r"|geo.?(?:restrict|block)|available in \S+ only", ErrorClass.GEO_BLOCKED),
        (r"too many requests|rate.?limit|\bIP\b.* blocked|solve a captcha",
         ErrorClass.RATE_LIMITED),
        (r"private video|video is private|sign in to|log ?in (?:is )?required|need to log ?in"
         r"|requires? (?:a )?(?:login|log-in|sign.?in|authentication|\w+ subscription)"
         r"|(?:authentication|subscription) (?:is )?(?:required|needed)"
         r"|(?:only|exclusively) (?:available )?(?:for|to|via) .*\b(?:users?|members?|subscri\w+)"
         r"|members[- ]only|--cookies|password.?protected|--video-password"
         r"|does not have access", ErrorClass.LOGIN_REQUIRED),
        (r"ffmpeg (?:could|is)? ?not (?:be )?(?:found|installed)|ff(?:mpeg|probe) not found",
         ErrorClass.FFMPEG_MISSING),
        (r"no supported javascript runtime|javascript runtime (?:is|was) not",
         ErrorClass.JS_RUNTIME_MISSING),
        (r"requested format is not available|no video formats found"
         r"|unable to obtain file audio codec", ErrorClass.FORMAT_UNAVAILABLE),
        (r"premieres? in|will begin (?:in|at)|not (?:yet )?started|not currently live"
         r"|scheduled (?:for|to start)|(?:stream|streamer|user|model) is (?:offline|not live)",
         ErrorClass.LIVE_NOT_STARTED),
        (r"no space left on device|disk quota exceeded", ErrorClass.DISK_FULL),
        (r"file too large|larger than max-filesize", ErrorClass.TOO_LARGE),
        (r"HTTP Error 403\b.*giving up after", ErrorClass.FORBIDDEN),
        (r"unsupported url|is not a valid url|website is (?:not|no longer) supported"
         r"|(?:no|not|n't|any|without an?) (?:\w+ ){0,2}(?:video|media|audio)s?\b.*"
         r"(?:found|in the|in this|on the|provided)|(?:not|n't) (?:contain|have) (?:an?|any) video"
         r"|is not a video|extension .* is unusual", ErrorClass.UNSUPPORTED),
        (r"certificate", ErrorClass.TLS),
        (r"HTTP Error (?:404|410)\b.*giving up after"  # a fragment, when the page was fine
         r"|bytes read, \d+ more expected|did not get any data blocks|content too short"
         r"|fragment \d+ not found|the downloaded file is empty|fragment not found",
         ErrorClass.INCOMPLETE),
        (r"read timed out|timed out", ErrorClass.STALLED),
        (r"unable to (?:resolve|connect)|name or service not known|connection (?:refused|reset"
         r"|aborted)|network is unreachable|no route to host|remote end closed"
         r"|temporary failure in name resolution|redirect loop|too many redirects"
         r"|exceeded \d+ redirects", ErrorClass.NETWORK),
    )
)  # fmt: skip

STATUSES: dict[int, ErrorClass] = {
    401: ErrorClass.LOGIN_REQUIRED,
    403: ErrorClass.FORBIDDEN,
    404: ErrorClass.UNAVAILABLE,
    408: ErrorClass.STALLED,
    410: ErrorClass.UNAVAILABLE,
    416: ErrorClass.INCOMPLETE,
    429: ErrorClass.RATE_LIMITED,
    451: ErrorClass.GEO_BLOCKED,
}

UNFORESEEN_BY_EXTRACTOR = "UnforeseenByExtractor"

# When nothing else says more. What yt-dlp expects of a site ("X said: …") is the site's answer.
FALLBACKS: tuple[tuple[frozenset[str], ErrorClass], ...] = (
    (
        frozenset(
            {"TransportError", "ProxyError", "ConnectionError", "gaierror", "RemoteDisconnected"}
        ),
        ErrorClass.NETWORK,
    ),
    # Of requests, what is left: an answer that leads to no address at all.
    (frozenset({UNFORESEEN_BY_EXTRACTOR, "RequestError"}), ErrorClass.EXTRACTOR_BROKEN),
    (frozenset({"ExtractorError"}), ErrorClass.UNAVAILABLE),
    (frozenset({"PostProcessingError", "FFmpegPostProcessorError"}), ErrorClass.INCOMPLETE),
)


def classify(facts: ErrorFacts) -> ErrorClass:
    """Name the class of an error; what nobody foresaw is INTERNAL.

    The order is from what is certain (our own exceptions, an errno of the file system) over what
    the site said in words to what a status or a type alone lets us guess.
    """
    for kind, error_class in KINDS:
        if kind in facts.kinds:
            return error_class
    if facts.errno in ERRNOS:
        return ERRNOS[facts.errno]
    if facts.http_status == 429:
        return ErrorClass.RATE_LIMITED
    said = WHERE.sub("", facts.message)
    for pattern, error_class in SAYINGS:
        if pattern.search(said):
            return error_class
    if facts.http_status is not None:
        return _of_status(facts.http_status)
    for kinds, error_class in FALLBACKS:
        if kinds.intersection(facts.kinds):
            return error_class
    return ErrorClass.INTERNAL


def _of_status(status: int) -> ErrorClass:
    if status in STATUSES:
        return STATUSES[status]
    return ErrorClass.NETWORK if status >= 500 else ErrorClass.UNAVAILABLE


def retry_delay_seconds(
    error_class: ErrorClass,
    *,
    tries: int,
    retry_after_seconds: float | None = None,
    chance: random.Random | None = None,
) -> float | None:
    """How long to wait before the next attempt, or None when there is none by itself.

    `tries` counts the attempts made so far, from 1. Exponential with full jitter (base 2 s, at
    most 60 s); `Retry-After` of the site is honoured up to an hour. The caller checks that
    attempts are left.
    """
    rule = ADVICE[error_class].retry
    if rule is Retry.NEVER or (rule is Retry.ONCE and tries > 1):
        return None
    if rule is Retry.AT_ONCE:
        return 0.0
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** (tries - 1))
    delay = (chance or random.SystemRandom()).uniform(0, ceiling)
    if retry_after_seconds is None:
        return delay
    return max(delay, clamp_retry_after(retry_after_seconds))


def clamp_retry_after(seconds: float) -> float:
    """What a site asks for, from 0 to RETRY_AFTER_CAP_SECONDS; 0 for what is no number (NaN)."""
    return min(max(0.0, seconds), RETRY_AFTER_CAP_SECONDS)
