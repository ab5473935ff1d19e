"""The admin's pages of library entries, moves, workers, sites, cookies, presets, preferences
and tokens."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy, ngettext

from downloads.actions import delete_entry
from downloads.admin.read_only import NothingToEdit, NothingToWrite
from downloads.admin.words import CodesInWords, state_in_words
from downloads.library import quotas
from downloads.models import (
    ApiToken,
    LibraryEntry,
    Preferences,
    Preset,
    PublishedFile,
    Quota,
    SavedView,
    Site,
    SiteCookies,
    Transition,
    Worker,
)
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Reason
from downloads.rules.words import grouped
from downloads.web.detail_view import options_in_words
from downloads.web.history import REASONS, reason_in_words
from downloads.web.site_form import SiteForm


class FilesInline(NothingToWrite, admin.TabularInline):
    model = PublishedFile
    verbose_name_plural = gettext_lazy("published files")
    fields = ("name", "role", "language", "size", "media_type", "sha256")
    extra = 0


@admin.register(LibraryEntry)
class LibraryEntryAdmin(NothingToEdit, admin.ModelAdmin):
    """The entries of the library. Deleting one deletes its files."""

    list_display = ("path", "title", "site", "owner", "published_at", "download")
    list_filter = ("published_at",)
    list_select_related = ("owner", "download")
    search_fields = ("title", "url", "correlation_id")
    search_help_text = gettext_lazy("Title, URL or correlation id")
    ordering = ("-pk",)  # as they were published, without sorting them all
    show_full_result_count = False
    inlines = (FilesInline,)

    def get_deleted_objects(
        self, objs: Iterable[LibraryEntry], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        told = gettext("%(entry)s: its directory in the library with all files")
        sentences = [told % {"entry": entry} for entry in objs]
        return sentences, {str(self.opts.verbose_name_plural): len(sentences)}, set(), []

    def delete_model(self, request: HttpRequest, obj: LibraryEntry) -> None:
        delete_entry(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LibraryEntry]) -> None:
        for entry in queryset:
            delete_entry(entry)


@admin.register(Preferences)
class PreferencesAdmin(admin.ModelAdmin):
    """The speed limits of users; what else they chose is theirs."""

    list_display = ("user", "rate_limit")
    fields = ("user", "rate_limit")
    search_fields = ("user__username",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Preferences | None = None
    ) -> tuple[str, ...]:
        return ("user",) if obj else ()


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):
    """How much of the library's disk users may take."""

    list_display = ("user", "limit_bytes", "used_bytes", "is_full")
    fields = ("user", "limit_bytes", "used_bytes", "is_full")
    search_fields = ("user__username",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Quota | None = None
    ) -> tuple[str, ...]:
        return ("used_bytes", "is_full", *(("user",) if obj else ()))

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        quotas.look([obj.pk])

    def delete_model(self, request: HttpRequest, obj: Quota) -> None:
        owner = obj.pk
        super().delete_model(request, obj)
        quotas.look([owner])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Quota]) -> None:
        owners = list(queryset.values_list("pk", flat=True))
        super().delete_queryset(request, queryset)
        quotas.look(owners)


class ReasonFilter(admin.SimpleListFilter):
    """Those that there can be: Django would look for them in all moves."""

    title = gettext_lazy("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, REASONS.get(code, code)) for code in (*Reason, *ErrorClass)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transition]) -> Any:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(Transition)
class TransitionAdmin(NothingToWrite, admin.ModelAdmin):
    list_display = ("seq", "at", "download", "before", "after", "actor", "why", "attempt")
    list_filter = (("to_state", CodesInWords), ReasonFilter, "at")
    fields = ("seq", "download", "before", "after", "at", "actor", "why", "attempt", "data")
    list_select_related = ("download",)
    search_fields = ("download__correlation_id", "actor")
    search_help_text = gettext_lazy("Correlation id or actor")
    ordering = ("-seq",)
    show_full_result_count = False

    @admin.display(description=gettext_lazy("from state"))
    def before(self, entry: Transition) -> str:
        return state_in_words(entry.from_state)

    @admin.display(description=gettext_lazy("to state"))
    def after(self, entry: Transition) -> str:
        return state_in_words(entry.to_state)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, entry: Transition) -> str:
        return reason_in_words(entry)


@admin.register(Worker)
class WorkerAdmin(NothingToWrite, admin.ModelAdmin):
    list_display = (
        "name",
        "host",
        "pid",
        "slots",
        "yt_dlp",
        "started_at",
        "heartbeat_at",
        "stopped_at",
    )
    search_fields = ("name", "host")
    ordering = ("-heartbeat_at",)


@admin.register(Site)
class SiteAdmin(admin.ModelAdmin):
    """Sites that refused us at some time or have limits; first those that wait now."""

    form = SiteForm
    list_display = (
        *("host", "failures", "error_class", "waits_until"),
        *("running_limit", "pause_seconds", "rate_limit", "changed_at"),
    )
    readonly_fields = ("host", "failures", "error_class", "waits_until", "changed_at")
    fields = (*readonly_fields, *SiteForm.Meta.fields)
    search_fields = ("host",)
    ordering = (F("waits_until").desc(nulls_last=True), "host")
    actions = ("try_now",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the page of a site has its form before it has a row

    def has_delete_permission(self, request: HttpRequest, obj: Site | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Site, form: SiteForm, change: bool) -> None:
        Site.objects.set_limits(obj.host, **form.limits)

    def has_try_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("downloads.change_site")

    @admin.action(permissions=["try"], description=gettext_lazy("Try now"))
    def try_now(self, request: HttpRequest, queryset: QuerySet[Site]) -> None:
        """Let the downloads of each site that waits go at once."""
        tried = [site for site in queryset if Site.objects.try_now(site.host)]
        for site in tried:
            self.log_change(request, site, gettext("Tried now."))
        told = ngettext("%(count)s tried now.", "%(count)s tried now.", len(tried))
        self.message_user(request, told % {"count": grouped(len(tried))})


@admin.register(Preset)
class PresetAdmin(NothingToEdit, admin.ModelAdmin):
    """Everybody's presets. Deleting one changes no download."""

    list_display = ("name", "owner", "is_shared", "options_in_words")
    list_filter = ("is_shared",)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    fields = list_display

    @admin.display(description=gettext_lazy("options"))
    def options_in_words(self, preset: Preset) -> str:
        return options_in_words(preset.options)


@admin.register(SavedView)
class SavedViewAdmin(NothingToEdit, admin.ModelAdmin):
    """Everybody's saved views of the list."""

    list_display = ("name", "owner", "filter", "text", "sort")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    fields = list_display


@admin.register(SiteCookies)
class SiteCookiesAdmin(NothingToEdit, admin.ModelAdmin):
    """Shows whose cookies there are, by their names; nobody sees their values."""

    list_display = ("host", "owner", "number", "version", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("host", "owner__username")
    fields = ("host", "owner", "names", "version", "updated_at")

    @admin.display(description=gettext_lazy("cookies"))
    def number(self, row: SiteCookies) -> int:
        return len(row.summary)

    @admin.display(description=gettext_lazy("cookies"))
    def names(self, row: SiteCookies) -> str:
        return ", ".join(f"{cookie['name']} ({cookie['domain']})" for cookie in row.summary)


@admin.register(ApiToken)
class ApiTokenAdmin(NothingToEdit, admin.ModelAdmin):
    """Shows and revokes tokens. `create_token` makes them, because it can show them once."""

    list_display = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    fields = list_display
