"""Names the class of an error from what is known of it.

Pure: a function of values. `downloads.fetch` takes an exception apart into `ErrorFacts`.
"""

import errno
import re
from dataclasses import dataclass

from downloads.rules.errors import ErrorClass


@dataclass(frozen=True, kw_only=True)
class ErrorFacts:
    """What is known of an exception, without the exception: it crossed a process boundary."""

    kinds: tuple[str, ...] = ()  # class names, the outermost exception first, then its causes
    message: str = ""
    http_status: int | None = None
    errno: int | None = None


NOT_PUBLISHED = "NotPublished"  # whatever its errno is, the site has no part in it
KINDS: tuple[tuple[str, ErrorClass], ...] = (
    ("PolicyBlocked", ErrorClass.POLICY_BLOCKED),
    ("NotOneVideo", ErrorClass.UNSUPPORTED),
    ("IsList", ErrorClass.UNSUPPORTED),
    ("TooDeep", ErrorClass.UNSUPPORTED),
    ("NotRecordable", ErrorClass.FORMAT_UNAVAILABLE),
    ("LiveRefused", ErrorClass.FORMAT_UNAVAILABLE),
    ("NothingInside", ErrorClass.FORMAT_UNAVAILABLE),
    ("ProtectedByDRM", ErrorClass.DRM),
    # Before what it says, "authentication required": that is not the site.
    ("ProxyError", ErrorClass.NETWORK),
    ("InvalidProxy", ErrorClass.NETWORK),
    ("ChildDied", ErrorClass.WORKER_LOST),
    ("ChildFailed", ErrorClass.WORKER_LOST),
    ("ProgramKilled", ErrorClass.WORKER_LOST),
    ("ProgramHangs", ErrorClass.STALLED),
    ("ProgramWroteTooMuch", ErrorClass.TOO_LARGE),
    ("UnknownEncryption", ErrorClass.UNSUPPORTED),
    ("DoesNotFit", ErrorClass.FORMAT_UNAVAILABLE),
    ("SourceGone", ErrorClass.UNAVAILABLE),
    ("Stalled", ErrorClass.STALLED),
    ("TimedOut", ErrorClass.TIMED_OUT),
    ("NotMedia", ErrorClass.UNSUPPORTED),
    ("InvalidLink", ErrorClass.POLICY_BLOCKED),
    ("InvalidSchema", ErrorClass.POLICY_BLOCKED),  # a redirect to file:, ftp:, data:
    ("RefusedFile", ErrorClass.INCOMPLETE),
    ("TooLarge", ErrorClass.TOO_LARGE),
    ("NoRoom", ErrorClass.DISK_FULL),
    ("Incomplete", ErrorClass.INCOMPLETE),
    ("NotDecrypted", ErrorClass.INCOMPLETE),
    ("BadPlaylist", ErrorClass.INCOMPLETE),
    ("ContentTooShortError", ErrorClass.INCOMPLETE),
    ("IncompleteRead", ErrorClass.INCOMPLETE),
    ("GeoRestrictedError", ErrorClass.GEO_BLOCKED),
    ("CertificateVerifyError", ErrorClass.TLS),
    ("SSLEOFError", ErrorClass.NETWORK),  # hung up in the middle of it: no judgement on anything
    ("SSLZeroReturnError", ErrorClass.NETWORK),
    ("SSLError", ErrorClass.TLS),
    ("UserNotLive", ErrorClass.LIVE_NOT_STARTED),
    ("NotStarted", ErrorClass.LIVE_NOT_STARTED),
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

# What urllib, requests and idna say of an address that a page gives for its video.
WRONG_ADDRESS = r"invalid ipv6 url|invalid url\b|failed to parse:|label (?:is )?(?:empty|too long)"


# Before the status of an answer: these say more than a 403 or a 400 does.
SAYINGS: tuple[tuple[re.Pattern[str], ErrorClass], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error_class)
    for pattern, error_class in (
        (r"\bDRM\b", ErrorClass.DRM),
        (r"(?:not|un)(?: made)?(?: this video)? ?available (?:in|from) (?:your|this) "
         r"(?:country|location|region)|blocked (?:it )?in (?:your|this) (?:country|region)"
         r"|geo.?(?:restrict|block)|available in \S+ only", ErrorClass.GEO_BLOCKED),
        (r"attempting impersonation|anti-bot challenge", ErrorClass.FORBIDDEN),
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
        (WRONG_ADDRESS, ErrorClass.EXTRACTOR_BROKEN),
        (r"certificate", ErrorClass.TLS),
        (r"HTTP Error (?:404|410)\b.*giving up after"  # a fragment, when the page was fine
         r"|\d+ bytes read\b|did not get any data blocks|content too short"
         r"|fragment \d+ not found|the downloaded file is empty|fragment not found",
         ErrorClass.INCOMPLETE),
        (r"read timed out|timed out", ErrorClass.STALLED),
        (r"unable to (?:resolve|connect)|name or service not known|connection (?:refused|reset"
         r"|aborted)|network is unreachable|no route to host|remote end closed"
         r"|temporary failure in name resolution|redirect loop|too many redirects"
         r"|exceeded \d+ redirects", ErrorClass.NETWORK),
    )
)  # fmt: skip


REDIRECTS = re.compile(r"redirect loop|too many redirects|exceeded \d+ redirects", re.IGNORECASE)

STATUSES: dict[int, ErrorClass] = {
    401: ErrorClass.LOGIN_REQUIRED,
    403: ErrorClass.FORBIDDEN,
    404: ErrorClass.UNAVAILABLE,
    407: ErrorClass.NETWORK,
    408: ErrorClass.STALLED,
    410: ErrorClass.UNAVAILABLE,
    416: ErrorClass.INCOMPLETE,
    429: ErrorClass.RATE_LIMITED,
    451: ErrorClass.GEO_BLOCKED,
}


PROXY_REFUSES = 407
UNFORESEEN_BY_EXTRACTOR = "UnforeseenByExtractor"
NO_IMPERSONATION = "NoImpersonation"  # the extractor wanted to look like a browser, and could not
# When nothing else says more. What yt-dlp expects of a site ("X said: …") is the site's answer.
FALLBACKS: tuple[tuple[frozenset[str], ErrorClass], ...] = (
    (
        frozenset({"TransportError", "ConnectionError", "gaierror", "RemoteDisconnected"}),
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
    if NOT_PUBLISHED in facts.kinds:
        return ErrorClass.STORAGE
    if facts.http_status in (PROXY_REFUSES, 429):
        return STATUSES[facts.http_status]
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


# Where the words of the class do not fit, the code of an error's own (`errors.BY_CODE`).
CODES: tuple[tuple[frozenset[str], re.Pattern[str], str], ...] = tuple(
    (frozenset(kinds), re.compile(pattern, re.IGNORECASE), code)
    for kinds, pattern, code in (
        ({"UnknownEncryption"}, "", "encryption"),
        ({"IsList"}, "", "is_list"),
        ({"TooDeep"}, "", "list_too_deep"),
        ({"NotDecrypted"}, "", "not_decrypted"),
        ({"LiveRefused"}, "", "live_refused"),
        ({"NothingInside"}, "", "empty_clip"),
        ({"SourceGone"}, "", "source_gone"),
        ({"ProxyError", "InvalidProxy"}, "", "proxy"),
        ({"NotMedia", "_UnsafeExtensionError"}, "", "media_type"),
        ({"PolicyBlocked"}, "may not use the network|the protocol .* is not allowed", "protocol"),
        ({"InvalidSchema"}, "", "protocol"),
        ({"PolicyBlocked"}, "the program .* is not allowed", "program"),
        ({"PostProcessingError"}, "unable to obtain file audio codec", "no_sound"),
        ({"ExtractorError"}, "attempting impersonation|anti-bot challenge", "handshake"),
        ({NO_IMPERSONATION}, r"HTTP Error 403\b", "handshake"),
        (
            {"ValueError", "UnicodeError", "UnicodeEncodeError", "InvalidURL"},
            WRONG_ADDRESS,
            "wrong_address",
        ),
    )
)


def code_of(facts: ErrorFacts) -> str | None:
    """Return the code of an error whose class alone would give the wrong words; else None."""
    if facts.errno == errno.EROFS:
        return "read_only"
    if facts.http_status == PROXY_REFUSES:
        return "proxy"
    for kinds, pattern, code in CODES:
        if kinds.intersection(facts.kinds) and pattern.search(facts.message):
            return code
    return _answer_of_site(facts) if classify(facts) is ErrorClass.NETWORK else None


def _answer_of_site(facts: ErrorFacts) -> str | None:
    """Return the code of an answer that is as temporary as none; None: there was no answer."""
    if REDIRECTS.search(facts.message):
        return "redirect_loop"
    return "server_error" if facts.http_status and facts.http_status >= 500 else None


def _of_status(status: int) -> ErrorClass:
    if status in STATUSES:
        return STATUSES[status]
    return ErrorClass.NETWORK if status >= 500 else ErrorClass.UNAVAILABLE
