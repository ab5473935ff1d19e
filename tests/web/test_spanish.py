"""A reader of Spanish meets no English: every page is read, at rest and refused."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from downloads.accounts import first_admin, tokens
from downloads.models import Download
from downloads.rules.errors import ErrorClass
from tests.diagnostics.test_health import unreachable_database
from tests.helpers import lives
from tests.helpers.presets import save
from tests.helpers.translations import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

# Words of which every English sentence has one, and no Spanish one has any.
ENGLISH = re.compile(
    r"\b(the|of|is|are|was|were|be|been|and|or|not|with|without|this|that|these|those|it|its|they"
    r"|you|your|to|for|from|by|at|on|an|in|if|when|what|which|who|will|can|cannot|more|please"
    r"|only|here|there|now|have|had|than|then|out|any|each)\b(?!:)",
    re.IGNORECASE,
)
SILENT = {"script", "style", "code", "pre", "kbd", "textarea", "svg"}
EMPTY = {"br", "hr", "img", "input", "link", "meta", "source", "track", "use", "wbr", "col"}
READ_OUT = ("aria-label", "alt", "title", "placeholder", "label")


class Reader(HTMLParser):
    """Collects what a person reads or hears of a page, but for code and what is in no language."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []  # elements, and whether they are silent

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.texts += [named[name] or "" for name in READ_OUT if name in named]
        if tag == "input" and named.get("type") == "submit":
            self.texts.append(named.get("value") or "")
        if tag not in EMPTY:
            foreign = "lang" in named and tag != "html"
            self._open.append((tag, self._is_silent or tag in SILENT or foreign))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._is_silent:
            self.texts.append(data)

    @property
    def _is_silent(self) -> bool:
        return bool(self._open) and self._open[-1][1]


def read(page: str) -> list[str]:
    reader = Reader()
    reader.feed(page)
    return [text for text in (" ".join(each.split()) for each in reader.texts) if text]


def english_of_the_catalogue() -> set[str]:
    """The messages without places whose Spanish is something else."""
    return {
        " ".join(message.id.split())
        for message in stored("es")
        if isinstance(message.id, str) and message.id != message.string
    } - {str(message.string) for message in stored("es")}


def english_on(page: str) -> Iterator[str]:
    known = english_of_the_catalogue()
    for text in read(page):
        if text in known or ENGLISH.search(text):
            yield text


@pytest.fixture
def reader(client: Client, staff: User) -> Client:
    client.force_login(staff)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "es"
    return client


@pytest.fixture
def lived_in(staff: User) -> list[Download]:
    ended = [
        lives.fail(lives.submit(staff, url=f"https://sitio.example/{each}"), each)
        for each in ErrorClass
    ]
    completed = lives.complete(lives.submit(staff))
    running = lives.start(lives.submit(staff, quality="720p", subtitles=["es"]))
    listing = lives.list_up(
        lives.submit(staff), *(lives.entry(number, extractor="sitio") for number in range(3))
    )
    save(staff, "Mío")
    tokens.issue(staff, name="programa")
    return [*ended, completed, running, listing.download, lives.submit(staff)]


# Beside those that the routes name: with a query, of a preset's copy, of one site, of nothing.
PAGES = (
    *("/?q=nada", "/?state=failed", "/?q=foo:bar", "/?density=comfortable", "/add?url=nada"),
    *("/presets/new?copy=podcast", "/sites/sitio.example/cookies", "/sites/sitio.example/"),
    "/nada",
)


def plain_routes() -> Iterator[str]:
    """Every route of the pages that has no variable part. Some take POST alone: no page to read."""
    for route in get_resolver("downloads.web.urls").url_patterns:
        if "<" not in str(route.pattern):
            yield f"/{route.pattern}"


def faults_of(reader: Client, paths: Iterable[str]) -> str:
    answers = ((path, reader.get(path)) for path in paths)
    return "\n".join(
        f"{path}: {text}"
        for path, answer in answers
        if answer.get("Content-Type", "").startswith("text/html")
        for text in english_on(answer.content.decode())
    )


def test_no_page_has_english(reader: Client, lived_in: list[Download]) -> None:
    assert not faults_of(reader, [*plain_routes(), *PAGES])


def test_no_page_of_a_download_has_english(reader: Client, lived_in: list[Download]) -> None:
    paths = {f"/downloads/{download.correlation_id}/" for download in lived_in}

    assert not faults_of(reader, paths)


REFUSED = [
    ("/downloads/", {"urls": "nada"}),
    ("/downloads/", {"urls": "https://sitio.example/x", "quality": "enorme"}),
    ("/account/preferences", {"theme": "rosa", "rate_limit": "-1"}),
    ("/account/password", {"old_password": "no", "new_password1": "1", "new_password2": "2"}),
    ("/account/tokens", {"name": "", "scope": "nada"}),
    ("/presets/new", {"name": "a/b"}),
    ("/sites/sitio.example/cookies", {"cookies": "nada"}),
    ("/sites/sitio.example/", {"running_limit": "muchos"}),
    ("/downloads/many", {"action": "delete"}),
    ("/demo", {}),
]


@pytest.mark.parametrize(("path", "fields"), REFUSED)
def test_what_refuses_a_form_is_not_english(
    reader: Client, lived_in: list[Download], path: str, fields: dict[str, str]
) -> None:
    assert not list(english_on(reader.post(path, fields, follow=True).content.decode()))


@pytest.mark.parametrize("action", ["cancel", "keep", "retry", "cleanup", "pause", "first"])
def test_what_answers_a_button_is_not_english(
    reader: Client, lived_in: list[Download], action: str
) -> None:
    for download in lived_in:
        path = f"/downloads/{download.correlation_id}/{action}"

        assert not list(english_on(reader.post(path, follow=True).content.decode()))


@pytest.mark.parametrize("action", ["cancel", "retry", "cleanup", "delete", "links", "ended"])
@pytest.mark.parametrize("confirmed", [{}, {"confirmed": "1"}])
def test_what_answers_an_action_on_many_is_not_english(
    reader: Client, lived_in: list[Download], action: str, confirmed: dict[str, str]
) -> None:
    fields = {"action": action, "ids": [each.correlation_id for each in lived_in], **confirmed}

    answer = reader.post("/downloads/many", fields, follow=True)

    assert not list(english_on(answer.content.decode()))


def test_the_doors_have_no_english(client: Client) -> None:
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "es"
    setup = first_admin.setup_path()
    answers = [client.get("/login/"), client.get(setup), client.get("/setup/?token=x")]
    answers.append(client.post(setup, {"username": "", "password1": "1", "password2": "2"}))
    User.objects.create_user("ursula")
    wrong = {"username": "ursula", "password": "no"}
    answers += [client.post("/login/", wrong) for _ in range(10)]

    assert answers[-1].status_code == 429
    assert not [text for each in answers for text in english_on(each.content.decode())]


def test_a_refused_host_and_a_stale_form_are_not_met_with_english(reader: Client) -> None:
    strict = Client(enforce_csrf_checks=True, headers={"accept-language": "es"})
    answers = [
        reader.get("/", headers={"host": "otro.example"}),
        strict.post("/downloads/", {"urls": "nada"}),
    ]

    assert [each.status_code for each in answers] == [400, 403]
    assert not [text for each in answers for text in english_on(each.content.decode())]


@pytest.mark.parametrize("path", ["/", "/downloads/"])
def test_an_outage_is_not_told_in_english(reader: Client, path: str) -> None:
    with unreachable_database():
        page = reader.get(path).content.decode()

    assert "La base de datos no responde" in page
    assert not list(english_on(page))
