"""What a running download was asked to do instead of going on, in words, until its worker has."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from downloads.models import Download
from downloads.web.format import instant

PATIENCE = timedelta(seconds=10)  # a worker that lives needs less to stop a download


def stop_in_words(download: Download) -> str:
    """Return "" when it was not asked to stop."""
    if download.cancel_requested_at:
        return _cancelling(download, download.cancel_requested_at)
    if download.keep_requested_by and download.is_recording:
        return gettext("Stopping…")
    return ""


def _cancelling(download: Download, asked_at: datetime) -> SafeString:
    """Say when another worker will end it, if its own has been silent since it was asked."""
    now, worker = timezone.now(), download.worker
    if worker and now - asked_at > PATIENCE and worker.heartbeat_at < asked_at:
        stopped_at = worker.heartbeat_at + timedelta(seconds=settings.VNSITE.lease_seconds)
        return format_html(
            gettext("The worker has not answered; it will be stopped at {}"),
            instant(max(now, stopped_at), clock=True, due=True),
        )
    # Asks for the row again, to say that by then.
    look_again = max(asked_at, now - PATIENCE) + PATIENCE
    due = format_html('<time datetime="{}" data-due></time>', look_again.isoformat())
    return format_html("{}{}", gettext("Cancelling…"), due)
