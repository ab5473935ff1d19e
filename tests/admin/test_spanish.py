"""The admin in Spanish: its pages are read as those of the site are."""

from collections.abc import Iterator

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation

from downloads.admin.words import RESULTS
from downloads.models import Download, Preferences
from downloads.rules.states import Result
from tests.helpers import lives
from tests.helpers.translations import stored
from tests.web.test_spanish import english_on, lived_in, reader

__all__ = ["lived_in", "reader"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

LIST = "/admin/downloads/download/"


def is_ours(model: type[Model]) -> bool:
    """Others have their own translators."""
    return model._meta.app_label == "downloads"


def english_in(answer: HttpResponse) -> list[str]:
    """Django itself says "Search" to who cannot see the magnifying glass, in every language."""
    return [text for text in english_on(answer.content.decode()) if text != "Search"]


def pages() -> Iterator[str]:
    yield reverse("admin:index")
    yield reverse("admin:downloads_download_clean_up")
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if not is_ours(model) and model._meta.app_label != "axes":
            continue
        yield reverse(f"{name}_changelist")
        for row in model._default_manager.all()[:3]:
            for page in ("change", "delete", "history"):
                yield reverse(f"{name}_{page}", args=[row.pk])


def test_no_page_has_english(reader: Client, lived_in: list[Download], staff: User) -> None:
    AccessAttempt.objects.create(username="nadie", ip_address="192.0.2.1", failures_since_start=1)
    Preferences.objects.create(user=staff)

    found = [f"{path}: {text}" for path in pages() for text in english_in(reader.get(path))]

    assert not found, "\n".join(found)


def names_shown(page: admin.ModelAdmin, request: HttpRequest) -> Iterator[str]:
    """What the admin calls a model and those of its fields that a page shows."""
    options = page.model._meta
    columns = {field.name: field for field in options.fields}
    filters = (each[0] if isinstance(each, tuple) else each for each in page.list_filter)
    yield from (str(options.verbose_name), str(options.verbose_name_plural))
    for name in (*page.list_display, *filters, *flatten_fieldsets(page.get_fieldsets(request))):
        if name in columns:
            yield str(columns[name].verbose_name)


def test_every_name_of_a_model_and_a_field_is_translated(rf: RequestFactory, staff: User) -> None:
    request = rf.get("/")
    request.user = staff
    pages = [page for model, page in admin.site._registry.items() if is_ours(model)]

    with translation.override("en"):
        names = {name for page in pages for name in names_shown(page, request)}

    assert len(names) > 50
    assert names - {message.id for message in stored("es")} == set()


@pytest.mark.parametrize(
    "action",
    ["cancel_selected", "retry_selected", "clean_up", "delete_selected"],
)
@pytest.mark.parametrize("post", [{}, {"post": "yes"}])
def test_what_answers_an_action_is_not_english(
    reader: Client, lived_in: list[Download], action: str, post: dict[str, str]
) -> None:
    ticked = [each.pk for each in lived_in]

    page = reader.post(LIST, {"action": action, "_selected_action": ticked, **post}, follow=True)

    assert not list(english_in(page))


def test_every_result_has_words() -> None:
    assert set(RESULTS) == set(Result)


@pytest.mark.parametrize("count", ["", "2"])
def test_what_answers_a_clean_up_is_not_english(reader: Client, count: str) -> None:
    those = [lives.fail(lives.submit()), lives.fail(lives.submit()), lives.submit()]
    ids = " ".join(each.correlation_id for each in those)
    fields = {"selected": f"{ids} 000000000000", "count": count, "confirm": ""}

    page = reader.post(f"{LIST}clean-up/", fields, follow=True)

    assert ("2 limpiadas" in page.content.decode()) is bool(count)
    assert not list(english_in(page))
