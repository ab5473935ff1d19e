"""Django's admin: look at everything, change next to nothing, clean up and delete with care.

A state is never written here, and rows are deleted only by `actions.forget`: Django's own collector
would leave files behind, and the database refuses it, because history is append-only.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from downloads.actions import (
    NotAllowed,
    cancel,
    clean,
    forget,
    refusal_to_delete,
    require_deletable,
    retry,
)
from downloads.admin.cleanup import CleanupForm, CleanupPlan
from downloads.admin.read_only import NothingToWrite
from downloads.models import AttemptLog, Download, DownloadQuerySet, Transition, user_actor
from downloads.rules.states import RUNNING, State
from downloads.web.actors import actor_in_words
from downloads.web.detail_view import options_in_words
from downloads.web.details import detail_of
from downloads.web.format import LOOKS, size
from downloads.web.history import reason_in_words
from downloads.web.requests import SignedInRequest
from downloads.web.row_view import host_of

admin.site.site_header = admin.site.site_title = "vnsite"
admin.site.index_title = "Administration"


class HistoryInline(NothingToWrite, admin.TabularInline):
    model = Transition
    verbose_name_plural = "history"
    fields = ("number", "at", "move", "who", "why", "detail", "attempt")
    readonly_fields = ("number", "move", "who", "why", "detail")
    extra = 0

    @admin.display(description="#")
    def number(self, entry: Transition) -> int:
        return entry.seq

    @admin.display(description="state")
    def move(self, entry: Transition) -> str:
        states = [state for state in (entry.from_state, entry.to_state) if state]
        return " → ".join(str(LOOKS[State(state)].label) for state in states)

    @admin.display
    def who(self, entry: Transition) -> str:
        return actor_in_words(entry.actor)

    @admin.display
    def why(self, entry: Transition) -> str:
        return reason_in_words(entry)

    @admin.display
    def detail(self, entry: Transition) -> str:
        return detail_of(entry.data, write_bytes=size)


class LogsInline(NothingToWrite, admin.StackedInline):
    model = AttemptLog
    verbose_name_plural = "logs"
    classes = ("collapse",)
    fields = ("attempt", "lines", "left_out", "updated_at")
    readonly_fields = ("lines",)
    extra = 0

    @admin.display(description="log")
    def lines(self, log: AttemptLog) -> SafeString:
        return format_html("<pre>{}</pre>", log.text)


@admin.register(Download)
class DownloadAdmin(admin.ModelAdmin):
    """Every download of everybody. Only the priority can be changed."""

    list_display = ("correlation_id", "badge", "outcome", "title", "host", "owner", "created_at")
    list_display_links = ("correlation_id",)
    list_filter = ("state", "outcome", "result", "error_class", "created_at")
    list_select_related = ("owner",)
    search_fields = ("correlation_id",)  # any: what makes the admin show the field
    search_help_text = "As on the dashboard: words, id:, host:, state: and others"
    show_full_result_count = False  # a second count of the whole table
    actions = ("cancel_selected", "retry_selected", "clean_up", "delete_selected")
    inlines = (HistoryInline, LogsInline)
    fieldsets = (
        (
            None,
            {"fields": ("correlation_id", "title", "url", "owner", "chosen_options", "priority")},
        ),
        (
            "Life",
            {
                "fields": (
                    *("badge", "outcome", "result", "listed_in", "have"),
                    *("error_class", "error_message"),
                    *("attempt", "uncounted", "max_attempts", "not_before"),
                    *("cancel_requested_at", "cancel_requested_by", "keep_requested_by"),
                    "published_files",
                )
            },
        ),
        (
            "Worker",
            {"fields": ("worker", "directory", "carried", "library_path", "manifest")},
        ),
        ("Instants", {"fields": ("created_at", "started_at", "finished_at", "updated_at")}),
    )

    class Media:
        css = {"all": ("downloads/admin.css",)}

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[DownloadQuerySet, bool]:
        return queryset.search(search_term.replace("\0", "")), False

    @admin.display(description="state", ordering="state")
    def badge(self, download: Download) -> SafeString:
        look = LOOKS[State(download.state)]
        return format_html('<span class="state state-{}">{}</span>', download.state, look.label)

    @admin.display(description="options")
    def chosen_options(self, download: Download) -> str:
        return options_in_words(download.options)

    @admin.display(description="host")
    def host(self, download: Download) -> str:
        return host_of(download.url)

    @admin.display(description="error message")
    def error_message(self, download: Download) -> str:
        return detail_of(download.error_data, write_bytes=size)

    @admin.display(description="published files")
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

    @admin.action(permissions=["change"], description="Cancel selected downloads")
    def cancel_selected(self, request: SignedInRequest, queryset: DownloadQuerySet) -> None:
        self._act(request, queryset, action=cancel, done="cancelled or asked to stop")

    @admin.action(permissions=["change"], description="Retry selected downloads")
    def retry_selected(self, request: SignedInRequest, queryset: DownloadQuerySet) -> None:
        self._act(request, queryset, action=retry, done="will be tried again")

    def _act(
        self,
        request: SignedInRequest,
        queryset: DownloadQuerySet,
        *,
        action: Callable[..., Download],
        done: str,
    ) -> None:
        """Do it to each by itself: one that does not allow it does not stop the others."""
        count = 0
        for download in queryset:
            try:
                action(download, actor=user_actor(request.user))
            except NotAllowed as refusal:
                self.message_user(request, f"Download {download}: {refusal}", messages.ERROR)
            else:
                count += 1
        self.message_user(request, f"{count} {done}.")

    # Deleting.

    def get_deleted_objects(
        self, objs: Iterable[Download], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Say what a deletion removes. Django's collector would ask for permissions on the history,
        which belongs to its download."""
        sentences = [
            f"{download}: its row, its history and what is left in the temp root; its published "
            "files stay in the library"
            for download in objs
        ]
        return sentences, {"downloads": len(sentences)}, set(), []

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

    @admin.action(permissions=["delete"], description="Delete selected downloads")
    def delete_selected(
        self, request: SignedInRequest, queryset: DownloadQuerySet
    ) -> HttpResponse | None:
        """Let Django's page ask, then forget each download by itself: one that is running does not
        stop the others. Those that run already are named before anybody is asked."""
        if not request.POST.get("post"):
            for running in queryset.running():
                sentence = f"Download {running}: {refusal_to_delete(running)}"
                self.message_user(request, sentence, messages.ERROR)
            idle = queryset.exclude(state__in=RUNNING)
            return delete_selected(self, request, idle) if idle.exists() else None
        refusals = [self._forget(request, download) for download in queryset]
        refused = [refusal for refusal in refusals if refusal]
        self.message_user(request, f"{len(refusals) - len(refused)} deleted.")
        for refusal in refused:
            self.message_user(request, refusal, messages.ERROR)
        return None

    def _forget(self, request: SignedInRequest, download: Download) -> str:
        """Return why it was not deleted, or "". The id is not the first word, because the admin
        capitalises its messages."""
        remembered = copy(download)  # a deleted instance has no key for the log
        try:
            forget(download)
        except NotAllowed as refusal:
            return f"Download {download}: {refusal}"
        except OSError as error:
            return f"Download {download}: its directory cannot be removed ({error.strerror})."
        LogEntry.objects.log_actions(request.user.pk, [remembered], DELETION)
        return ""

    # Cleaning up.

    def has_cleanup_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("downloads.cleanup_download")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.clean_up_view)
        return [path("clean-up/", view, name="downloads_download_clean_up"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = {"may_clean_up": self.has_cleanup_permission(request)}
        return super().changelist_view(request, may | (extra_context or {}))

    @admin.action(permissions=["cleanup"], description="Clean up by correlation id")
    def clean_up(self, request: SignedInRequest, queryset: DownloadQuerySet) -> HttpResponse:
        """Show what would be removed; the page's form goes to `clean_up_view`."""
        selected = " ".join(queryset.values_list("correlation_id", flat=True))
        return self._ask(request, CleanupForm(initial={"selected": selected}))

    def clean_up_view(self, request: SignedInRequest) -> HttpResponse:
        """Clean up what was shown. Typed ids are shown first, with what they would remove."""
        if not self.has_cleanup_permission(request):
            raise PermissionDenied
        form = CleanupForm(request.POST if request.method == "POST" else None)
        if not form.is_bound or not form.is_valid():
            return self._ask(request, form)
        if "confirm" in request.POST and not form.cleaned_data["further"]:
            return self._clean(request, CleanupPlan.of(form.correlation_ids))
        return self._ask(request, CleanupForm(initial={"selected": " ".join(form.correlation_ids)}))

    def _ask(self, request: SignedInRequest, form: CleanupForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Clean up by correlation id",
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "plan": CleanupPlan.of(form.known_ids),
            "preserved_filters": self.get_preserved_filters(request),
        }
        template = "admin/downloads/download/clean_up.html"
        status = 422 if form.errors else 200
        return TemplateResponse(request, template, context, status=status)

    def _clean(self, request: SignedInRequest, plan: CleanupPlan) -> HttpResponseRedirect:
        counts = Counter(skipped=len(plan.skipped))
        for candidate in plan.candidates:
            counts[self._clean_one(request, candidate.download)] += 1
        level = messages.WARNING if counts["skipped"] else messages.SUCCESS
        sentence = f"{counts['cleaned']} cleaned, {counts['skipped']} skipped."
        self.message_user(request, sentence, level)
        filters = dict(parse_qsl(self.get_preserved_filters(request))).get("_changelist_filters")
        return redirect(f"{reverse('admin:downloads_download_changelist')}?{filters or ''}")

    def _clean_one(self, request: SignedInRequest, download: Download) -> str:
        try:
            freed = clean(download, actor=user_actor(request.user))
        except NotAllowed:
            return "skipped"
        except OSError as error:
            sentence = f"Download {download}: its directory cannot be removed ({error.strerror})."
            self.message_user(request, sentence, messages.ERROR)
            return "skipped"
        self.log_change(request, download, f"Cleaned up by correlation id: {size(freed)} freed.")
        return "cleaned"
