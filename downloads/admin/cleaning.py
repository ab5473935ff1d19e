"""The admin's way to clean up: an action and a page that asks, wants the number typed, and
reports."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, ngettext

from downloads.actions import NotAllowed, clean
from downloads.admin.cleanup import CleanupForm, CleanupPlan, Skipped
from downloads.models import Download, DownloadQuerySet, user_actor
from downloads.rules.words import grouped
from downloads.web.format import size
from downloads.web.requests import SignedInRequest

NAMED = 20  # downloads in one message, and rows of each table: the rest is counted


class CleansUp(admin.ModelAdmin):
    """What a page of downloads needs for **Clean up by correlation id**."""

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

    @admin.action(permissions=["cleanup"], description=gettext_lazy("Clean up by correlation id"))
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
        if "confirm" not in request.POST or form.cleaned_data["further"]:
            selected = " ".join(form.correlation_ids)
            return self._ask(request, CleanupForm(initial={"selected": selected}))
        plan = CleanupPlan.of(form.correlation_ids)
        if plan.candidates and not form.agrees_with(plan):
            return self._ask(request, form)
        return self._clean(request, plan)

    def _ask(self, request: SignedInRequest, form: CleanupForm) -> HttpResponse:
        plan = CleanupPlan.of(form.known_ids)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Clean up by correlation id"),
            "opts": self.opts,
            "media": self.media,
            "form": form,
            "plan": plan,
            "shown": f":{NAMED}",
            "more": max(0, len(plan.candidates) - NAMED),
            "more_skipped": max(0, len(plan.skipped) - NAMED),
            "preserved_filters": self.get_preserved_filters(request),
        }
        template = "admin/downloads/download/clean_up.html"
        status = 422 if form.errors else 200
        return TemplateResponse(request, template, context, status=status)

    def _clean(self, request: SignedInRequest, plan: CleanupPlan) -> HttpResponseRedirect:
        """Clean up each by itself, and report: one that cannot be does not stop the others."""
        cleaned: list[Download] = []
        failed: list[tuple[Download, str]] = []
        skipped = list(plan.skipped)
        for download in (candidate.download for candidate in plan.candidates):
            try:
                freed = clean(download, actor=user_actor(request.user))
            except NotAllowed as refusal:
                skipped.append(Skipped(download.correlation_id, str(refusal), download))
            except OSError as error:
                failed.append((download, error.strerror or str(error)))
            else:
                self.log_change(request, download, _freed(freed))
                cleaned.append(download)
        if not plan.candidates:
            self.message_user(request, gettext("0 to clean."), messages.SUCCESS)
        self._report_cleaned(request, cleaned)
        self._report_skipped(request, skipped)
        self._report_failed(request, failed)
        filters = dict(parse_qsl(self.get_preserved_filters(request))).get("_changelist_filters")
        return redirect(f"{reverse('admin:downloads_download_changelist')}?{filters or ''}")

    def _report_cleaned(self, request: SignedInRequest, cleaned: list[Download]) -> None:
        if cleaned:
            told = ngettext("{number} cleaned: {links}", "{number} cleaned: {links}", len(cleaned))
            sentence = format_html(told, number=grouped(len(cleaned)), links=_links(cleaned))
            self.message_user(request, sentence, messages.SUCCESS)

    def _report_skipped(self, request: SignedInRequest, skipped: list[Skipped]) -> None:
        by_reason: dict[str, list[Skipped]] = {}
        for each in skipped:
            by_reason.setdefault(each.why, []).append(each)
        for why, those in by_reason.items():
            told = ngettext(
                "{number} skipped. {why} {links}", "{number} skipped. {why} {links}", len(those)
            )
            links = _links(each.download or each.correlation_id for each in those)
            sentence = format_html(told, number=grouped(len(those)), why=why, links=links)
            self.message_user(request, sentence, messages.WARNING)

    def _report_failed(self, request: SignedInRequest, failed: list[tuple[Download, str]]) -> None:
        by_reason: dict[str, list[Download]] = {}
        for download, reason in failed:
            by_reason.setdefault(reason, []).append(download)
        for reason, those in by_reason.items():
            told = ngettext(
                "{number} failed, its directory cannot be removed ({reason}): {links}",
                "{number} failed, their directories cannot be removed ({reason}): {links}",
                len(those),
            )
            values = {"number": grouped(len(those)), "reason": reason, "links": _links(those)}
            self.message_user(request, format_html(told, **values), messages.ERROR)


def _freed(size_bytes: int) -> str:
    told = gettext("Cleaned up by correlation id: %(size)s freed.")
    return told % {"size": size(size_bytes)}


def _links(downloads: Iterable[Download | str]) -> SafeString:
    """Link the first few to their pages, and count the rest. An id without a download is text."""
    every = list(downloads)
    links = [_link(each) for each in every[:NAMED]]
    if len(every) > NAMED:
        more = len(every) - NAMED
        told = ngettext("and %(count)s more", "and %(count)s more", more)
        links.append(format_html("{}", told % {"count": grouped(more)}))
    return format_html_join(", ", "{}", ((link,) for link in links))


def _link(download: Download | str) -> SafeString:
    if isinstance(download, str):
        return format_html("{}", download)
    page = reverse("admin:downloads_download_change", args=[download.pk])
    return format_html('<a href="{}">{}</a>', page, download)
