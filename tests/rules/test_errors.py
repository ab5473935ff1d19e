"""The classes of errors, told by what yt-dlp 2026.10 really says."""

import errno
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.backoff import (
    BACKOFF_CAP_SECONDS,
    RETRY_AFTER_CAP_SECONDS,
    retry_delay_seconds,
)
from downloads.rules.classify import UNFORESEEN_BY_EXTRACTOR, ErrorFacts, classify, code_of
from downloads.rules.errors import ADVICE, BY_CODE, ErrorClass, Retry, advice_of

EXTRACTOR = ("DownloadError", "ExtractorError")
UNFORESEEN = (*EXTRACTOR, UNFORESEEN_BY_EXTRACTOR)
POST_PROCESSING = ("DownloadError", "PostProcessingError")
DOWNLOAD = ("DownloadError",)
COOKIES = "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/"

# What yt-dlp says → what it means. Taken from its source, with the prefixes that it adds.
SAYINGS = [
    (EXTRACTOR, "[bbc] x: This video is DRM protected", "drm"),
    (
        EXTRACTOR,
        "[DRM] The requested site is known to use DRM protection. It will NOT be supported.",
        "drm",
    ),
    (
        EXTRACTOR,
        "[youtube] a1: Video unavailable. The uploader has not made this video available in your "
        "country",
        "geo_blocked",
    ),
    (
        EXTRACTOR,
        "[youtube] a1: Video unavailable. This video contains content from SME, who has blocked it "
        "in your country on copyright grounds",
        "geo_blocked",
    ),
    (EXTRACTOR, "[kuwo] 1: This song is blocked in this region", "geo_blocked"),
    (
        EXTRACTOR,
        "[vevo] v: vevo said: This page is currently unavailable in your region",
        "geo_blocked",
    ),
    (
        ("DownloadError", "GeoRestrictedError"),
        "[svt] 1: This video is only available in Sweden",
        "geo_blocked",
    ),
    (
        EXTRACTOR,
        "[youtube] a1: Sign in to confirm you’re not a bot. " + COOKIES,  # noqa: RUF001
        "login_required",
    ),
    (
        EXTRACTOR,
        "[youtube] a1: Sign in to confirm your age. This video may be inappropriate for some "
        "users. " + COOKIES,
        "login_required",
    ),
    (EXTRACTOR, "[youtube] a1: Private video. Sign in if you've been granted access to this video. "
     + COOKIES, "login_required"),
    (EXTRACTOR, "[youtube] a1: Join this channel to get access to members-only content like this "
     "video, and other exclusive perks.", "login_required"),
    (EXTRACTOR, "[fox] x: This video is only available via cable service provider subscription. "
     "You may want to use --cookies.", "login_required"),
    (EXTRACTOR, "[twitter] 1: NSFW tweet requires authentication. " + COOKIES, "login_required"),
    (EXTRACTOR, "[vimeo] 1: This video is protected by a password, use the --video-password option",
     "login_required"),
    (EXTRACTOR, "[youku] x: Youku said: Sorry, this video is private", "login_required"),
    (EXTRACTOR, "[instagram] x: This content is only available for registered users who follow "
     "this account. " + COOKIES, "login_required"),
    (EXTRACTOR, "[weverse] 1: Your account does not have access to this content", "login_required"),
    (EXTRACTOR, "[youtube] a1: Video unavailable. This video has been removed by the uploader",
     "unavailable"),
    (EXTRACTOR, "[youtube] a1: Video unavailable. This video is no longer available because the "
     "YouTube account associated with this video has been terminated.", "unavailable"),
    (EXTRACTOR, "[youtube] a1: Video unavailable", "unavailable"),
    (EXTRACTOR, "[twitch:vod] 1: Video 1 does not exist", "unavailable"),
    (EXTRACTOR, "[twitter] 1: Broadcast no longer exists", "unavailable"),
    (EXTRACTOR, "[ichinanalive] 1: This live has ended.", "unavailable"),
    (EXTRACTOR, "[nrk] 1: NRK said: Programmet er ikke tilgjengelig", "unavailable"),
    (EXTRACTOR, "[youtube] a1: Premieres in 13 hours", "live_not_started"),
    (EXTRACTOR, "[youtube] a1: This live event will begin in a few moments.", "live_not_started"),
    (EXTRACTOR, "[vimeo:event] 1: This live event is scheduled for 2027-01-01", "live_not_started"),
    (EXTRACTOR, "[weverse] 1: Livestream has not yet started", "live_not_started"),
    (EXTRACTOR, "[picarto] x: Stream is offline", "live_not_started"),
    (("DownloadError", "UserNotLive"), "[kick] x: The channel is not currently live",
     "live_not_started"),
    (EXTRACTOR, "[youtube] a1: This content isn't available, try again later. The current session "
     "has been rate-limited by YouTube for up to an hour.", "rate_limited"),
    (EXTRACTOR, "[bilibili] 1: You have exceeded the rate limit. Try again later", "rate_limited"),
    (EXTRACTOR, "[tiktok] 1: Your IP address is blocked from accessing this post", "rate_limited"),
    (EXTRACTOR, "[youtube] a1: Requested format is not available. Use --list-formats for a list of "
     "available formats", "format_unavailable"),
    (POST_PROCESSING, "Postprocessing: WARNING: unable to obtain file audio codec with ffprobe",
     "format_unavailable"),
    (("DownloadError", "DoesNotFit"), "Could not find tag for codec vp8 in stream #0, codec not "
     "currently supported in container", "format_unavailable"),
    (POST_PROCESSING, "Postprocessing: ffprobe and ffmpeg not found. Please install or provide the "
     "path using --ffmpeg-location", "ffmpeg_missing"),
    (DOWNLOAD, "You have requested merging of multiple formats but ffmpeg is not installed. "
     "Aborting due to --abort-on-error", "ffmpeg_missing"),
    (DOWNLOAD, "m3u8 download detected but ffmpeg could not be found. Please install",
     "ffmpeg_missing"),
    (EXTRACTOR, "[youtube] a1: No supported JavaScript runtime could be found. Only deno is enabled"
     " by default", "js_runtime_missing"),
    (("DownloadError", "UnsupportedError", "ExtractorError"),
     "Unsupported URL: http://example.org/log-in-required/private-video", "unsupported"),
    (EXTRACTOR, "[generic] 'a b' is not a valid URL.", "unsupported"),
    (EXTRACTOR, "[twitter] 1: No video could be found in this tweet", "unsupported"),
    (EXTRACTOR, "[rtve] 1: The webpage doesn't contain any video", "unsupported"),
    (EXTRACTOR, "[Piracy] This website is no longer supported since it has been determined to be "
     "primarily used for piracy.", "unsupported"),
    (("DownloadError", "_UnsafeExtensionError"), "The extracted extension ('exe') is unusual and "
     "will be skipped for safety reasons.", "unsupported"),
    (("NotOneVideo",), "No video was found", "unsupported"),
    ((*UNFORESEEN, "RegexNotFoundError"), "[bbc] x: Unable to extract title", "extractor_broken"),
    (UNFORESEEN, "[bbc] x: Failed to parse JSON (caused by JSONDecodeError(\"Expecting value\"))",
     "extractor_broken"),
    (UNFORESEEN, "[bbc] x: An extractor error has occurred. (caused by KeyError('items'))",
     "extractor_broken"),
    (("DownloadError", "CertificateVerifyError", "SSLError"), "[generic] x: Unable to download "
     "webpage: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired",
     "tls"),
    (("DownloadError", "SSLError", "SSLEOFError"), "[generic] x: Unable to download webpage: [SSL: "
     "UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol", "network"),
    (("DownloadError", "TransportError"), "[generic] x: Unable to download webpage: "
     "HTTPConnection(host='x', port=80): Read timed out. (read timeout=20.0)", "stalled"),
    (("DownloadError", "TransportError", "gaierror"), "[generic] x: Unable to download webpage: "
     "Failed to resolve 'x' ([Errno -2] Name or service not known)", "network"),
    (("DownloadError", "TransportError", "gaierror"), "[generic] x: Unable to download webpage: "
     "Failed to resolve 'x' ([Errno -3] Temporary failure in name resolution)", "network"),
    (("DownloadError", "TransportError", "ConnectionRefusedError"), "[generic] x: Unable to "
     "download webpage: [Errno 111] Connection refused", "network"),
    (("DownloadError", "TransportError", "RemoteDisconnected"), "[generic] x: Unable to download "
     "webpage: ('Connection aborted.', RemoteDisconnected('Remote end closed connection'))",
     "network"),
    (("DownloadError", "HTTPError"), "[generic] x: Unable to download webpage: HTTP Error 302: "
     "Found (redirect loop detected)", "network"),
    (DOWNLOAD, "[download] Got error: 86558 bytes read, 86559 more expected. Giving up after 3 "
     "retries", "incomplete"),
    (DOWNLOAD, "[download] Got error: 0 bytes read. Giving up after 3 retries", "incomplete"),
    (DOWNLOAD, "[download] Got error: HTTP Error 404: Not Found. Giving up after 3 retries",
     "incomplete"),
    (DOWNLOAD, "[download] Got error: HTTP Error 403: Forbidden. Giving up after 3 retries",
     "forbidden"),
    (DOWNLOAD, "Did not get any data blocks", "incomplete"),
    (DOWNLOAD, "fragment 2 not found, unable to continue", "incomplete"),
    (DOWNLOAD, "unable to write data: [Errno 28] No space left on device", "disk_full"),
    (DOWNLOAD, "unable to write data: [Errno 27] File too large", "too_large"),
    (POST_PROCESSING, "Postprocessing: Conversion failed!", "incomplete"),
    (("PolicyBlocked", "NoSupportingHandlers"), "127.0.0.1 is not a public address (port 1)",
     "policy_blocked"),
    (("TimeoutExpired",), "Command '['ffmpeg']' timed out after 3600 seconds", "timed_out"),
    (("ChildDied",), "The download process killed by SIGKILL.", "worker_lost"),
    (("MemoryError",), "MemoryError", "too_large"),
    (("ZeroDivisionError",), "division by zero", "internal"),
]  # fmt: skip


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_class_says_what_happened_and_what_to_do(error_class: ErrorClass) -> None:
    advice = ADVICE[error_class]

    assert advice.sentence.endswith(".")
    assert advice.next_step.endswith(".")


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_says_what_happened_and_what_to_do(code: str) -> None:
    advice = advice_of(ErrorClass.UNSUPPORTED, {"code": code})

    assert advice.sentence.endswith(".")
    assert advice.next_step.endswith(".")
    assert advice != advice_of(ErrorClass.UNSUPPORTED, {"code": "of another version"})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kinds": ("UnknownEncryption",)}, ("unsupported", "encryption")),
        ({"kinds": EXTRACTOR, "http_status": 500}, ("network", "server_error")),
        ({"kinds": EXTRACTOR, "http_status": 503}, ("network", "server_error")),
        (
            {"kinds": EXTRACTOR, "message": "HTTP Error 302: Found (redirect loop detected)"},
            ("network", "redirect_loop"),
        ),
        ({"kinds": ("TransportError",), "message": "Connection refused"}, ("network", None)),
        ({"kinds": ("DownloadError", "IsList")}, ("unsupported", "is_list")),
        ({"kinds": ("DownloadError", "TooDeep")}, ("unsupported", "list_too_deep")),
        ({"kinds": ("NotDecrypted",)}, ("incomplete", "not_decrypted")),
        ({"kinds": ("NotMedia",)}, ("unsupported", "media_type")),
        ({"kinds": ("_UnsafeExtensionError",)}, ("unsupported", "media_type")),
        ({"kinds": ("DownloadError", "InvalidSchema")}, ("policy_blocked", "protocol")),
        (
            {"kinds": ("PolicyBlocked",), "message": "ffmpeg may not use the network"},
            ("policy_blocked", "protocol"),
        ),
        (
            {"kinds": ("PolicyBlocked",), "message": "The protocol 'rtmp' is not allowed"},
            ("policy_blocked", "protocol"),
        ),
        (
            {"kinds": ("PolicyBlocked",), "message": "the program 'sh' is not allowed"},
            ("policy_blocked", "program"),
        ),
        (
            {"kinds": ("PolicyBlocked",), "message": "x: 10.0.0.1 is not a public address"},
            ("policy_blocked", None),
        ),
        (
            {
                "kinds": ("DownloadError", "PostProcessingError"),
                "message": "Postprocessing: WARNING: unable to obtain file audio codec with "
                "ffprobe",
            },
            ("format_unavailable", "no_sound"),
        ),
        (
            {"kinds": ("ValueError",), "message": "Invalid IPv6 URL"},
            ("extractor_broken", "wrong_address"),
        ),
        (
            {
                "kinds": ("UnicodeEncodeError",),  # UnicodeError before Python 3.13
                "message": "'idna' codec can't encode characters in position 0-299: label too long",
            },
            ("extractor_broken", "wrong_address"),
        ),
        (
            {"kinds": ("RequestError", "InvalidURL"), "message": "Failed to parse: http://x:9e9/"},
            ("extractor_broken", "wrong_address"),
        ),
        (
            {
                "kinds": EXTRACTOR,
                "message": "[generic] Got HTTP Error 403 caused by Cloudflare anti-bot challenge; "
                'try again with  --extractor-args "generic:impersonate"',
                "http_status": 403,
            },
            ("forbidden", "handshake"),
        ),
        (
            {
                "kinds": EXTRACTOR,
                "message": "[x] 1: The extractor is attempting impersonation, but no impersonate "
                "target is available. See  https://github.com/yt-dlp/yt-dlp#impersonation",
            },
            ("forbidden", "handshake"),
        ),
        (
            {
                "kinds": (*EXTRACTOR, "NoImpersonation"),
                "message": "[x] 1: Unable to download JSON metadata: HTTP Error 403: Forbidden",
                "http_status": 403,
            },
            ("forbidden", "handshake"),
        ),
        (
            {
                "kinds": (*EXTRACTOR, "NoImpersonation"),
                "message": "[x] 1: Unable to download JSON metadata: HTTP Error 404: Not Found",
                "http_status": 404,
            },
            ("unavailable", None),
        ),
        ({"errno": errno.EROFS}, ("storage", "read_only")),
        ({"errno": errno.EACCES}, ("storage", None)),
        ({"kinds": ("ValueError",), "message": "something else"}, ("internal", None)),
    ],
)
def test_errors_that_ask_for_other_words_than_their_class_have_a_code(
    values: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    facts = ErrorFacts(**values)

    assert (classify(facts), code_of(facts)) == expected


@pytest.mark.parametrize(
    ("kinds", "message", "expected"), SAYINGS, ids=[message[:60] for _, message, _ in SAYINGS]
)
def test_what_yt_dlp_says_is_understood(
    kinds: tuple[str, ...], message: str, expected: str
) -> None:
    assert classify(ErrorFacts(kinds=kinds, message=message)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "unavailable"),
        (401, "login_required"),
        (403, "forbidden"),
        (404, "unavailable"),
        (408, "stalled"),
        (410, "unavailable"),
        (416, "incomplete"),
        (429, "rate_limited"),
        (451, "geo_blocked"),
        (500, "network"),
        (503, "network"),
        (599, "network"),
    ],
)
def test_a_status_alone_tells_the_class(status: int, expected: str) -> None:
    message = f"[generic] x: Unable to download webpage: HTTP Error {status}: whatever"

    facts = ErrorFacts(kinds=("DownloadError", "HTTPError"), message=message, http_status=status)

    assert classify(facts) == expected


def test_what_the_site_says_counts_more_than_its_status() -> None:
    facts = ErrorFacts(message="This video is not available in your country", http_status=403)

    assert classify(facts) is ErrorClass.GEO_BLOCKED


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "too_large"),
        (errno.EROFS, "storage"),
        (errno.EACCES, "storage"),
        (errno.EIO, "storage"),
        (errno.EMFILE, "storage"),
    ],
)
def test_the_file_system_is_believed(number: int, expected: str) -> None:
    assert classify(ErrorFacts(kinds=("OSError",), errno=number)) == expected


@pytest.mark.parametrize(
    "message",
    [
        "[generic] drm-explained: Unable to download webpage: HTTP Error 404: Not Found",
        "[generic] x: Unable to download http://example.org/drm/private video: HTTP Error 404",
    ],
)
def test_words_of_an_address_mean_nothing(message: str) -> None:
    assert classify(ErrorFacts(message=message, http_status=404)) is ErrorClass.UNAVAILABLE


@given(st.text(), st.lists(st.text()), st.none() | st.integers(), st.none() | st.integers())
def test_anything_has_a_class(
    message: str, kinds: list[str], status: int | None, number: int | None
) -> None:
    facts = ErrorFacts(kinds=tuple(kinds), message=message, http_status=status, errno=number)

    assert classify(facts) in ErrorClass


NEVER = [item for item in ErrorClass if ADVICE[item].retry is Retry.NEVER]
BACKOFF = [item for item in ErrorClass if ADVICE[item].retry is Retry.BACKOFF]


@pytest.mark.parametrize("error_class", NEVER)
def test_what_would_fail_again_is_not_tried_again(error_class: ErrorClass) -> None:
    assert retry_delay_seconds(error_class, tries=1, retry_after_seconds=5) is None


def test_forbidden_is_tried_once_more() -> None:
    assert retry_delay_seconds(ErrorClass.FORBIDDEN, tries=1) is not None
    assert retry_delay_seconds(ErrorClass.FORBIDDEN, tries=2) is None


def test_after_a_lost_worker_it_goes_on_at_once() -> None:
    assert retry_delay_seconds(ErrorClass.WORKER_LOST, tries=2, retry_after_seconds=9) == 0


@given(st.sampled_from(BACKOFF), st.integers(1, 100), st.integers())
def test_the_delay_doubles_to_a_limit_with_full_jitter(
    error_class: ErrorClass, tries: int, seed: int
) -> None:
    ceiling = min(BACKOFF_CAP_SECONDS, 2.0**tries)

    delay = retry_delay_seconds(error_class, tries=tries, chance=random.Random(seed))

    assert delay is not None
    assert 0 <= delay <= ceiling


def test_jitter_is_spread_over_the_whole_range() -> None:
    chance = random.Random(1)
    delays = [retry_delay_seconds(ErrorClass.NETWORK, tries=9, chance=chance) for _ in range(500)]

    assert min(filter(None, delays)) < BACKOFF_CAP_SECONDS * 0.05
    assert max(filter(None, delays)) > BACKOFF_CAP_SECONDS * 0.95


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [
        (30.0, 30.0, 30.0),
        (0.0, 0.0, 2.0),
        (-5.0, 0.0, 2.0),
        (1e9, RETRY_AFTER_CAP_SECONDS, RETRY_AFTER_CAP_SECONDS),
        (float("inf"), RETRY_AFTER_CAP_SECONDS, RETRY_AFTER_CAP_SECONDS),
        (float("nan"), 0.0, 2.0),
    ],
)
def test_retry_after_is_honoured_within_limits(
    asked: float, at_least: float, at_most: float
) -> None:
    delay = retry_delay_seconds(ErrorClass.RATE_LIMITED, tries=1, retry_after_seconds=asked)

    assert delay is not None
    assert at_least <= delay <= at_most
