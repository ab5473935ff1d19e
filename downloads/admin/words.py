"""What the admin says of models, fields and codes, in the reader's language and in the words of the
pages.

Django makes names of its own from identifiers, in English. Here they are marked for translation,
and given to the models while the site runs: no migration changes with a word.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from downloads.rules.states import Result, State
from downloads.rules.words import marked
from downloads.web.entries_view import KINDS
from downloads.web.format import LOOKS

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

NAMES = (
    *(marked("download"), marked("downloads"), marked("transition"), marked("transitions")),
    *(marked("worker"), marked("workers"), marked("site"), marked("sites"), marked("preset")),
    *(marked("presets"), marked("preferences"), marked("api token"), marked("api tokens")),
    *(marked("site cookies"), marked("cookies of sites"), marked("library entry")),
    *(marked("library entries"), marked("listing"), marked("listings"), marked("entry")),
    *(marked("entries"), marked("archived media"), marked("published file"), marked("attempt log")),
    *(marked("actor"), marked("added at"), marked("at"), marked("attempt"), marked("batch")),
    *(marked("cancel requested at"), marked("cancel requested by"), marked("carried")),
    *(marked("changed at"), marked("correlation id"), marked("count"), marked("created at")),
    *(marked("directory"), marked("duration seconds"), marked("error class"), marked("expires at")),
    *(marked("extractor"), marked("failures"), marked("finished at"), marked("from state")),
    *(marked("have"), marked("heartbeat at"), marked("draining at"), marked("host")),
    *(marked("is complete"), marked("is list"), marked("is live"), marked("is shared")),
    *(marked("keep requested by"), marked("kind"), marked("language"), marked("last used at")),
    *(marked("left out"), marked("library path"), marked("listed in"), marked("manifest")),
    *(marked("max attempts"), marked("media id"), marked("media type"), marked("name")),
    *(marked("not before"), marked("options"), marked("outcome"), marked("owner"), marked("path")),
    *(marked("pause seconds"), marked("pid"), marked("position"), marked("priority")),
    *(marked("proxy"), marked("published at"), marked("rate limit"), marked("reason")),
    *(marked("result"), marked("role"), marked("running limit"), marked("scope"), marked("size")),
    *(marked("slots"), marked("started at"), marked("state"), marked("stopped at")),
    *(marked("title"), marked("to state"), marked("uncounted"), marked("updated at")),
    *(marked("uploaded at"), marked("user"), marked("version"), marked("waits until")),
    *(marked("boot id"), marked("data"), marked("pid started"), marked("seq"), marked("url")),
    *(marked("yt dlp"), marked("clock ahead seconds"), marked("cpu percent"), marked("filter")),
    *(marked("memory bytes"), marked("orphans left"), marked("orphans mended"), marked("sort")),
    *(marked("saved view"), marked("saved views"), marked("text"), marked("quota")),
    *(marked("quotas"), marked("limit bytes"), marked("used bytes"), marked("is full")),
)
# What django-axes says, which comes without Spanish.
NAMES_OF_AXES = (
    *(marked("access attempt"), marked("access attempts"), marked("access failure")),
    *(marked("access failures"), marked("access log"), marked("access logs")),
    *(marked("access attempt expiration"), marked("access attempt expirations")),
    *(marked("Access Attempt"), marked("Access lock out"), marked("Attempt Remaining")),
    *(marked("Attempt Time"), marked("Clean up expired attempts"), marked("Expires At")),
    *(marked("Failed Logins"), marked("Form Data"), marked("GET Data"), marked("HTTP Accept")),
    *(marked("IP Address"), marked("Locked Out"), marked("Logout Time"), marked("Meta Data")),
    *(marked("Not set"), marked("POST Data"), marked("Path"), marked("User Agent")),
    marked("Username"),
)
RESULTS: "dict[str, StrPromise]" = {
    Result.FILES: gettext_lazy("Files"),
    Result.LISTING: gettext_lazy("List read"),
    Result.HAVE_IT: gettext_lazy("You had it already"),
    Result.CHECKED: gettext_lazy("Looked up, nothing downloaded"),
}
CODES: dict[str, str | Promise] = {
    **{state.value: look.label for state, look in LOOKS.items()},
    **{result.value: RESULTS[result] for result in Result},
    **{kind: gettext_lazy(label) for kind, label in KINDS.items()},
}


def speak(models: Iterable[type[Model]]) -> None:
    """Give models and fields their names in the language of whoever reads them."""
    for options in (model._meta for model in models):
        options.verbose_name = gettext_lazy(str(options.verbose_name))
        options.verbose_name_plural = gettext_lazy(str(options.verbose_name_plural))
        for field in options.fields:
            field.verbose_name = gettext_lazy(str(field.verbose_name))


def state_in_words(state: str | None) -> str:
    return str(LOOKS[State(state)].label) if state else "—"


class CodesInWords(admin.ChoicesFieldListFilter):
    """The filter of a field with codes, which says them in words."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for choice in super().choices(changelist):
            shown = choice["display"]
            yield {**choice, "display": CODES.get(str(shown), shown)}
