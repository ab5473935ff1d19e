"""The pages of subscriptions: list, new, edit, check now, pause, unsubscribe. Wiring."""

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads.models import Download, TooManyWaiting, presets, user_actor
from downloads.rules.errors import BY_CODE
from downloads.rules.filters import TooSlow
from downloads.rules.states import Result
from downloads.rules.words import say
from downloads.subscriptions import checks
from downloads.subscriptions.forms import SubscriptionForm, shown
from downloads.subscriptions.models import Check, Subscription
from downloads.subscriptions.preview import Preview, preview
from downloads.subscriptions.view import found_in_words, previewed, row_of
from downloads.web.choice_form import drawn_with
from downloads.web.requests import SignedInRequest, visible

PAGE_SIZE = 100
MAX_PK = 2**63 - 1  # what the database takes
SHOWN_CHECKS = 10


@require_safe
@never_cache
@login_required
def index(request: SignedInRequest) -> HttpResponse:
    """Show those that need attention first, then the newest; more of them behind `before`."""
    mine = Subscription.objects.visible_to(request.user).select_related("owner")
    before = request.GET.get("before", "")
    is_page = before.isascii() and before.isdigit() and int(before) <= MAX_PK
    rows = mine.order_by("-pk").filter(**({"pk__lt": int(before)} if is_page else {}))
    found = list(rows[: PAGE_SIZE + 1])
    on_page = found[:PAGE_SIZE]
    last = Check.objects.last_of(on_page)
    views = [
        row_of(row, last.get(row.pk), is_own=row.owner_id == request.user.pk) for row in on_page
    ]
    views.sort(key=lambda view: not view.needs_attention)
    older = on_page[-1].pk if len(found) > PAGE_SIZE else None
    context = {"rows": views, "older": older, "is_first_page": not is_page}
    return render(request, "downloads/subscriptions.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def new(request: SignedInRequest) -> HttpResponse:
    """Subscribe to `url`, or to the list of the download `from`; or preview that."""
    among = presets.offered(request.user)
    source = _source(request)
    preset, options = presets.beginning(request.user, among)
    url = source.url if source else request.GET.get("url", "")
    subscription = Subscription(owner=request.user, url=url)
    initial = {"url": url, **drawn_with(preset.key, options)}
    form = SubscriptionForm(
        request.POST or None, subscription=subscription, among=among, initial=initial
    )
    found: Preview | None = None
    if "preview" in request.POST and form.is_valid():
        found = _preview(request, form, source)
    elif request.method == "POST" and "preview" not in request.POST and form.save():
        messages.success(request, say("Subscribed: {name}", name=subscription))
        return redirect("subscriptions")
    context = {
        "form": form,
        "heading": say("Subscribe to a list"),
        "preview": previewed(found) if found else None,
    }
    return _form_page(request, form, context)


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    subscription = _find(request, pk)
    heading = str(subscription)
    among = presets.offered(subscription.owner)
    form = SubscriptionForm(
        request.POST or None,
        subscription=subscription,
        among=among,
        initial=shown(subscription, among),
    )
    if request.method == "POST" and form.save():
        messages.success(request, say("Saved: {name}", name=subscription))
        return redirect("subscriptions")
    last = subscription.checks.select_related("download").order_by("-pk")[:SHOWN_CHECKS]
    is_own = subscription.owner_id == request.user.pk
    context = {
        "form": form,
        "subscription": subscription,
        "heading": heading,
        "row": row_of(subscription, None, is_own=is_own),
        "checks": [(check, found_in_words(check)) for check in last],
    }
    return _form_page(request, form, context)


@require_POST
@login_required
def check_now(request: SignedInRequest, pk: int) -> HttpResponse:
    subscription = _find(request, pk)
    begun = checks.begin(subscription, actor=user_actor(request.user), priority=0)
    subscription.refresh_from_db()
    if begun is None and not subscription.is_checking:
        messages.error(request, say("There is no room: too many downloads wait already."))
    else:
        messages.success(request, say("Being checked: {name}", name=subscription))
    return redirect("subscriptions")


@require_POST
@login_required
def pause(request: SignedInRequest, pk: int) -> HttpResponse:
    subscription = _find(request, pk)
    subscription.pause()
    messages.success(request, say("Paused: {name}", name=subscription))
    return redirect("subscriptions")


@require_POST
@login_required
def resume(request: SignedInRequest, pk: int) -> HttpResponse:
    subscription = _find(request, pk)
    subscription.resume()
    messages.success(request, say("Resumed: {name}", name=subscription))
    return redirect("subscriptions")


@require_POST
@login_required
def unsubscribe(request: SignedInRequest, pk: int) -> HttpResponse:
    subscription = _find(request, pk)
    name = str(subscription)
    checks.unsubscribe(subscription, actor=user_actor(request.user))
    messages.success(request, say("Unsubscribed: {name}", name=name))
    return redirect("subscriptions")


def _form_page(
    request: HttpRequest, form: SubscriptionForm, context: dict[str, Any]
) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "downloads/subscription.html", context, status=status)


def _preview(
    request: SignedInRequest, form: SubscriptionForm, source: Download | None
) -> Preview | None:
    """Return what would be fetched; None when it cannot be said, and the form says why."""
    same = source if source and source.url == form.subscription.url else None
    try:
        return preview(form.subscription, source=same, actor=user_actor(request.user))
    except TooSlow:
        form.add_error("include", say(BY_CODE["slow_filter"].sentence))
    except TooManyWaiting as refusal:
        form.add_error("url", str(refusal))
    return None


def _source(request: SignedInRequest) -> Download | None:
    """Return the download with the list that `from` names; None for none of one's own."""
    name = request.GET.get("from", "").replace("\0", "")
    rows = visible(request).filter(owner=request.user, result=Result.LISTING)
    return rows.filter(correlation_id=name).select_related("listing").first() if name else None


def _find(request: SignedInRequest, pk: int) -> Subscription:
    rows = Subscription.objects.visible_to(request.user).select_related("owner")
    return get_object_or_404(rows, pk=min(pk, MAX_PK))
