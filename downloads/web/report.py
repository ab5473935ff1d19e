"""The report on a failed download, for whoever mends vnsite: in English, without secrets."""

import platform

from django.db import connection
from django.utils import timezone
from django.utils.translation import ngettext

from downloads.models import Download, Extractors
from downloads.models.schema import version_on_disk
from downloads.rules.redaction import redact
from downloads.updates.state import age_days
from downloads.web.details import detail_of

MAX_LOG_LINES = 50


def report_of(download: Download) -> str:
    """Return the versions, the error, and the last lines of the newest attempt's log."""
    log = download.logs.order_by("attempt").last()
    lines = log.text.splitlines()[-MAX_LOG_LINES:] if log else ["(no log)"]
    python, yt_dlp = platform.python_version(), yt_dlp_in_words(download) or "yt-dlp ?"
    return "\n".join(
        [
            f"vnsite {version_on_disk()} · {yt_dlp} · Python {python}"
            f" · {connection.vendor} · {platform.system()} {platform.machine()}",
            f"{download.correlation_id} · {download.state} · attempt {download.attempt}",
            redact(download.url),
            f"options: {download.options}",
            f"{download.error_class}: {redact(detail_of(download.error_data))}",
            "",
            *lines,
        ]
    )


def yt_dlp_in_words(download: Download) -> str:
    """Return the version that the host of the newest attempt uses now, and how old it is.

    "" when it is not known.
    """
    attempt = download.attempts.last()
    row = Extractors.objects.filter(pk=attempt.host).first() if attempt else None
    version = str(row.state.get("used", "")) if row else ""
    if not version:
        return ""
    days = age_days(version, today=timezone.now().date())
    sentence = ngettext(
        "yt-dlp %(version)s, %(days)d day old", "yt-dlp %(version)s, %(days)d days old", days
    )
    return sentence % {"version": version, "days": days}
