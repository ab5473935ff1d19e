"""Django's admin: look at everything, change next to nothing, clean up and delete with care.

A state is never written here, and rows are deleted only by `actions.forget`: Django's own collector
would leave files behind, and the database refuses it, because history is append-only.
"""

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import flatten_fieldsets
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from downloads.actions import (
    NotAllowed,
    cancel,
    forget,
    refusal_to_delete,
    require_deletable,
    retry,
)
from downloads.admin.cleaning import CleansUp
from downloads.admin.read_only import NothingToWrite
from downloads.admin.words import RESULTS, CodesInWords, state_in_words
from downloads.models import AttemptLog, Counts, Download, DownloadQuerySet, Transition, user_actor
from downloads.rules.states import RUNNING, State
from downloads.rules.words import grouped
from downloads.web.actors import actor_in_words
from downloads.web.detail_view import options_in_words
from downloads.web.details import detail_of
from downloads.web.format import LOOKS, size
from downloads.web.history import reason_in_words
from downloads.web.requests import SignedInRequest
from downloads.web.row_view import host_of

admin.site.site_header = admin.site.site_title = "vnsite"
admin.site.index_title = gettext_lazy("Administration")


class HistoryInline(NothingToWrite, admin.TabularInline):
    model = Transition
    verbose_name_plural = gettext_lazy("history")
    fields = ("number", "at", "move", "who", "why", "detail", "attempt")
    readonly_fields = ("number", "move", "who", "why", "detail")
    extra = 0

    @admin.display(description="#")
    def number(self, entry: Transition) -> int:
        return entry.seq

    @admin.display(description=gettext_lazy("state"))
    def move(self, entry: Transition) -> str:
        states = [state for state in (entry.from_state, entry.to_state) if state]
        return " → ".join(str(LOOKS[State(state)].label) for state in states)

    @admin.display(description=gettext_lazy("who"))
    def who(self, entry: Transition) -> str:
        return actor_in_words(entry.actor)

    @admin.display(description=gettext_lazy("why"))
    def why(self, entry: Transition) -> str:
        return reason_in_words(entry)

    @admin.display(description=gettext_lazy("detail"))
    def detail(self, entry: Transition) -> str:
        return detail_of(entry.data, write_bytes=size)


class LogsInline(NothingToWrite, admin.StackedInline):
    model = AttemptLog
    verbose_name_plural = gettext_lazy("logs")
    classes = ("collapse",)
    fields = ("attempt", "lines", "left_out", "updated_at")
    readonly_fields = ("lines",)
    extra = 0

    @admin.display(description=gettext_lazy("log"))
    def lines(self, log: AttemptLog) -> SafeString:
        return format_html("<pre>{}</pre>", log.text)


class KeptCountPaginator(Paginator):
    """Pages of downloads. The number of all downloads is kept, so it is counted only for some."""

    object_list: DownloadQuerySet

    @cached_property
    def count(self) -> int:
        if self.object_list.query.where:  # filtered, or searched
            return self.object_list.count()
        return sum(Counts.objects.by_state().values())


@admin.register(Download)
class DownloadAdmin(CleansUp):
    """Every download of everybody. Only the priority can be changed."""

    list_display = ("correlation_id", "badge", "ending", "title", "host", "owner", "created_at")
    list_display_links = ("correlation_id",)
    list_filter = (
        ("state", CodesInWords),
        ("outcome", CodesInWords),
        ("result", CodesInWords),
        "error_class",
        "created_at",
    )
    list_select_related = ("owner",)
    search_fields = ("correlation_id",)  # any: what makes the admin show the field
    search_help_text = gettext_lazy("As on the dashboard: words, id:, host:, state: and others")
    paginator = KeptCountPaginator
    show_full_result_count = False  # a second count of the whole table
    actions = ("cancel_selected", "retry_selected", "clean_up", "delete_selected")
    inlines = (HistoryInline, LogsInline)
    fieldsets = (
        (
            None,
            {"fields": ("correlation_id", "title", "url", "owner", "chosen_options", "priority")},
        ),
        (
            gettext_lazy("Life"),
            {
                "fields": (
                    *("badge", "ending", "ended_with", "listed_in", "have"),
                    *("error_class", "error_message"),
                    *("attempt", "uncounted", "max_attempts", "not_before"),
                    *("cancel_requested_at", "cancel_requested_by", "keep_requested_by"),
                    "published_files",
                )
            },
        ),
        (
            gettext_lazy("Worker"),
            {"fields": ("worker", "directory", "carried", "library_path", "manifest")},
        ),
        (
            gettext_lazy("Instants"),
            {"fields": ("created_at", "started_at", "finished_at", "updated_at")},
        ),
    )

    class Media:
        css = {"all": ("downloads/admin.css",)}

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[DownloadQuerySet, bool]:
        return queryset.search(search_term.replace("\0", "")), False

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def badge(self, download: Download) -> SafeString:
        look = LOOKS[State(download.state)]
        return format_html('<span class="state state-{}">{}</span>', download.state, look.label)

    @admin.display(description=gettext_lazy("outcome"), ordering="outcome")
    def ending(self, download: Download) -> str:
        return state_in_words(download.outcome)

    @admin.display(description=gettext_lazy("result"))
    def ended_with(self, download: Download) -> str:
        return str(RESULTS[download.result]) if download.result else "—"

    @admin.display(description=gettext_lazy("options"))
    def chosen_options(self, download: Download) -> str:
        return options_in_words(download.options)

    @admin.display(description=gettext_lazy("host"))
    def host(self, download: Download) -> str:
        return host_of(download.url)

    @admin.display(description=gettext_lazy("error message"))
    def error_message(self, download: Download) -> str:
        return detail_of(download.error_data, write_bytes=size)

    @admin.display(description=gettext_lazy("published files"))
    def published_files(self, download: Download) -> str:
        return "\n".join(f"{file.name}, {size(file.size)}" for file in download.files)

    def get_readonly_fields(self, request: HttpRequest, obj: Download | None = None) -> list[str]:
        return [name for name in flatten_fieldsets(self.fieldsets) if name != "priority"]

    def save_model(self, request: HttpRequest, obj: Download, form: Any, change: bool) -> None:
        """Write only what was changed: the worker may have moved the rest meanwhile."""
        obj.save(update_fields=form.changed_data)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # they are added on the dashboard, where links are checked

    # Cancelling and retrying.

    @admin.action(permissions=["change"], description=gettext_lazy("Cancel selected downloads"))
    def cancel_selected(self, request: SignedInRequest, queryset: DownloadQuerySet) -> None:
        self._act(
            request,
            queryset,
            action=cancel,
            done=lambda number: ngettext(
                "%(count)s cancelled or asked to stop.",
                "%(count)s cancelled or asked to stop.",
                number,
            ),
        )

    @admin.action(permissions=["change"], description=gettext_lazy("Retry selected downloads"))
    def retry_selected(self, request: SignedInRequest, queryset: DownloadQuerySet) -> None:
        self._act(
            request,
            queryset,
            action=retry,
            done=lambda number: ngettext(
                "%(count)s will be tried again.", "%(count)s will be tried again.", number
            ),
        )

    def _act(
        self,
        request: SignedInRequest,
        queryset: DownloadQuerySet,
        *,
        action: Callable[..., Download],
        done: Callable[[int], str],
    ) -> None:
        """Do it to each by itself: one that does not allow it does not stop the others."""
        count = 0
        for download in queryset:
            try:
                action(download, actor=user_actor(request.user))
            except NotAllowed as refusal:
                self.message_user(request, _of(download, str(refusal)), messages.ERROR)
            else:
                count += 1
        self.message_user(request, done(count) % {"count": grouped(count)})

    # Deleting.

    def get_deleted_objects(
        self, objs: Iterable[Download], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Say what a deletion removes. Django's collector would ask for permissions on the history,
        which belongs to its download."""
        sentences = [
            _(
                "%(download)s: its row, its history and what is left in the temp root; its"
                " published files stay in the library"
            )
            % {"download": download}
            for download in objs
        ]
        return sentences, {str(self.opts.verbose_name_plural): len(sentences)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Download) -> None:
        forget(obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask, then forget it. One that is running is refused before anybody is asked."""
        found = self.get_object(request, object_id)
        try:
            if found is not None and self.has_delete_permission(request, found):
                require_deletable(found)
            return super().delete_view(request, object_id, extra_context)
        except NotAllowed as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return redirect("admin:downloads_download_change", object_id)

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete selected downloads"))
    def delete_selected(
        self, request: SignedInRequest, queryset: DownloadQuerySet
    ) -> HttpResponse | None:
        """Let Django's page ask, then forget each download by itself: one that is running does not
        stop the others. Those that run already are named before anybody is asked."""
        if not request.POST.get("post"):
            for running in queryset.running():
                sentence = _of(running, refusal_to_delete(running))
                self.message_user(request, sentence, messages.ERROR)
            idle = queryset.exclude(state__in=RUNNING)
            return delete_selected(self, request, idle) if idle.exists() else None
        refusals = [self._forget(request, download) for download in queryset]
        refused = [refusal for refusal in refusals if refusal]
        deleted = len(refusals) - len(refused)
        told = ngettext("%(count)s deleted.", "%(count)s deleted.", deleted)
        self.message_user(request, told % {"count": grouped(deleted)})
        for refusal in refused:
            self.message_user(request, refusal, messages.ERROR)
        return None

    def _forget(self, request: SignedInRequest, download: Download) -> str:
        """Return why it was not deleted, or ""."""
        remembered = copy(download)  # a deleted instance has no key for the log
        try:
            forget(download)
        except NotAllowed as refusal:
            return _of(download, str(refusal))
        except OSError as error:
            told = _("Its directory cannot be removed (%(reason)s).")
            return _of(download, told % {"reason": error.strerror})
        LogEntry.objects.log_actions(request.user.pk, [remembered], DELETION)
        return ""


def _of(download: Download, sentence: str) -> str:
    """Say it of a download. Its id is not the first word: the admin begins with a capital."""
    return _("Download %(download)s: %(sentence)s") % {"download": download, "sentence": sentence}
