"""A premiere is shown as what it is: a download that waits until its video starts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from downloads.accounts import tokens
from downloads.models import Download
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Reason, State
from downloads.templatetags.downloads import instant
from tests.helpers import lives
from tests.web.test_views import path_of, words_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def starts_at() -> datetime:
    return timezone.now().replace(microsecond=0) + timedelta(days=2)


@pytest.fixture
def premiere(user: User, starts_at: datetime) -> Download:
    download = lives.start(lives.submit(user))
    download.move(
        State.CREATED,
        actor="worker:w",
        reason=Reason.WILL_RETRY,
        not_before=timezone.now() + timedelta(hours=6),
        error_class=ErrorClass.LIVE_NOT_STARTED,
        error_data={"starts_at": int(starts_at.timestamp())},
    )
    return download


def test_the_page_says_when_it_starts(
    client: Client, user: User, premiere: Download, starts_at: datetime
) -> None:
    client.force_login(user)

    words = words_of(client.get(path_of(premiere)))

    when = strip_tags(instant(starts_at.astimezone(UTC), relative=True, due=True))
    assert f"Starts {when}" in words


def test_the_api_says_when_it_starts(
    client: Client, user: User, premiere: Download, starts_at: datetime
) -> None:
    headers = {"Authorization": f"Bearer {tokens.issue(user, name='test')}"}

    answer = client.get(f"/api/v1/downloads/{premiere.correlation_id}", headers=headers)

    waiting = answer.json()["waiting"]
    assert waiting["why"] == "premiere"
    assert datetime.fromisoformat(waiting["until"]) == starts_at
