"""What is said of a download that was asked to stop, until its worker has answered."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads import actions
from downloads.models import Download, Worker
from downloads.web.stopping import PATIENCE
from tests.helpers import lives
from tests.web.test_views import row_of, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def running(user: User) -> Download:
    return actions.cancel(lives.start(lives.submit(user)), actor="user:ursula")


def row_after(seconds: float, *, of: Download, silent: bool) -> str:
    """Its row so long after it was cancelled, with a worker that is silent since, or is not."""
    asked_at = timezone.now() - timedelta(seconds=seconds)
    heartbeat_at = asked_at - timedelta(seconds=1) if silent else timezone.now()
    Download.objects.filter(pk=of.pk).update(cancel_requested_at=asked_at)
    Worker.objects.filter(pk=of.worker_id).update(heartbeat_at=heartbeat_at)
    browser = Client()
    browser.force_login(User.objects.get(pk=of.owner_id))
    return row_of(browser.get("/"), of)


def test_it_is_cancelling_until_the_worker_had_time_to_answer(running: Download) -> None:
    row = row_after(2, of=running, silent=True)

    assert "Cancelling…" in row
    asked_at = Download.objects.get(pk=running.pk).cancel_requested_at
    assert asked_at
    due_at = asked_at + PATIENCE  # the page asks again
    assert f'<time datetime="{due_at.isoformat()}" data-due>' in row


def test_a_silent_worker_is_named_with_the_time_of_its_end(running: Download) -> None:
    row = row_after(20, of=running, silent=True)

    assert "The worker has not answered; it will be stopped at" in row
    worker = Worker.objects.get(pk=running.worker_id)
    ends_at = worker.heartbeat_at + timedelta(seconds=settings.VNSITE.lease_seconds)
    assert f'datetime="{ends_at.isoformat()}"' in row


def test_a_worker_that_lives_is_not_called_silent(running: Download) -> None:
    row = row_after(20, of=running, silent=False)

    assert "Cancelling…" in row
    assert "has not answered" not in row


def test_a_download_that_nobody_stopped_says_nothing(user: User) -> None:
    download = lives.start(lives.submit(user))
    browser = Client()
    browser.force_login(user)

    assert "Cancelling" not in text_of(browser.get(f"/downloads/{download.correlation_id}/"))
