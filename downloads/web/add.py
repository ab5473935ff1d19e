"""Adding links: the form on the dashboard and on a page of its own, and what leads there.

The form works without JavaScript. With it, htmx gets the parts that change: those of
`partials/add_answer.html`, each put in the place of the one with its id.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from downloads.models import (
    Download,
    Preset,
    Submitted,
    TooManyWaiting,
    presets,
    submissions,
    user_actor,
)
from downloads.rules.links import InvalidLink
from downloads.rules.links_in_text import find_links
from downloads.rules.presets import InvalidPreset, without_link
from downloads.submission import check_link
from downloads.web.add_form import AddForm, sentence_about
from downloads.web.add_view import Told, about_kept, about_submitted
from downloads.web.listing import PAGE_SIZE
from downloads.web.requests import SignedInRequest, is_of_script, next_path

SHARED = ("url", "text", "title")  # where phones put what is shared; the link is in any of them
MAX_QUERY = 8000  # characters that every server and proxy takes in an address


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def page(request: SignedInRequest) -> HttpResponse:
    """Answer a page with the form alone, filled with the links of its address. Adds nothing.

    A form that is posted is filled with what it held, its options unfolded.
    """
    if request.method == "POST":
        return _unfold(request)
    form = AddForm.to_begin(request.user, urls=_shared_links(request.GET.dict()))
    form.set_on_links(autofocus=True)
    return render(request, "downloads/add.html", {"form": form, "told": Told()})


def _unfold(request: SignedInRequest) -> HttpResponse:
    """Answer the options to a script, else the page with the form."""
    form = AddForm(request.POST, request.FILES, among=presets.offered(request.user))
    form.is_valid()  # whatever is wrong with it is said when it is sent
    unfolded = _redrawn(form, urls=form.text, is_folded=False)
    context = {"form": unfolded, "told": Told(), "opens": True}
    part = "partials/add_change.html" if is_of_script(request) else "add.html"
    return render(request, f"downloads/{part}", context)


@csrf_exempt  # a phone that shares has no token; nothing is changed
@require_POST
def share(request: HttpRequest) -> HttpResponse:
    """Lead what a phone shares to the form."""
    query = urlencode({"text": _shared_links(request.POST.dict())})
    if len(query) > MAX_QUERY:
        return render(request, "400.html", status=HTTPStatus.BAD_REQUEST)
    answer = redirect(f"{reverse('add_page')}?{query}")
    answer.status_code = HTTPStatus.SEE_OTHER
    return answer


@require_POST
@never_cache
@login_required
def preview(request: SignedInRequest) -> HttpResponse:
    """Say what of a form that is being filled in would be added. Adds nothing.

    Files are read into the box, and options follow the preset when another one is chosen.
    """
    form = AddForm(request.POST, request.FILES, among=presets.offered(request.user))
    form.is_valid()
    context: dict[str, Any] = {"form": form, "is_preview": True}
    options, preset = form.options, form.cleaned_data.get("preset")
    shown = form.shown_choice
    if preset and not preset.fault and shown and shown.preset != preset.key:
        options = preset.options
        context["choice"] = AddForm.to_go_on(
            preset.key, options, among=form.among, is_folded=shown.is_folded
        )
    known = submissions.known(request.user, form.links, options)
    changed = ", ".join(form.changed)
    summary = gettext("Changed: %(names)s") % {"names": changed} if changed else form.summary
    context["told"] = Told.of_preview(form, known)
    context["summary"] = context["choice"].summary if "choice" in context else summary
    if form.cleaned_data.get("file"):
        context["read"] = AddForm(among=form.among, initial={"urls": form.text})
        context["read"].set_on_links(**{"hx-swap-oob": "true"})
    context["has_files"] = bool(request.FILES)
    return render(request, "downloads/partials/add_answer.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def add(request: SignedInRequest) -> HttpResponse:
    """Add the links that can be added, and say what is wrong with the others, which stay.

    What the user has already is not fetched again unless `again` names it.
    """
    if request.method == "GET":  # the address of a refused form, opened again
        return redirect("dashboard")
    form = AddForm(request.POST, request.FILES, among=presets.offered(request.user))
    if "again" in request.POST:
        return _add_again(request, form)
    if not form.is_valid():
        return _refuse(request, form)
    known = submissions.known(request.user, form.links, form.options)
    had = {url: each for url, each in known.items() if each.outcome}
    wanted = [url for url in form.links if url not in had]
    answers = _submit(request, form, wanted)
    refused = [url for url, answer in zip(wanted, answers, strict=True) if answer is None]
    submitted = [answer for answer in answers if answer is not None]
    if refused and not submitted and not had:
        form.add_error("urls", str(_too_many(request, refused)))
        return _refuse(request, form)
    presets.remember(request.user, form.chosen_preset, form.options)
    problems = [sentence_about(each, line=line) for line, each in enumerate(form.wrong, 1)]
    if refused:
        problems.append(str(_too_many(request, refused)))
    kept = [*(each.found.typed for each in form.wrong), *refused]
    told = Told(
        note=about_submitted(submitted, had=len(had), form=form),
        heading=about_kept(len(kept)) if kept else "",
        problems=problems,
        known=had,
        is_answer=True,
    )
    return _answer(request, form, told, submitted=submitted, kept=kept)


@require_http_methods(["GET", "POST"])
@login_required
def save_preset(request: SignedInRequest) -> HttpResponse:
    """Save the options of the form as a preset. The links stay where they were typed."""
    if request.method == "GET":
        return redirect("dashboard")
    form = AddForm(request.POST, request.FILES, among=presets.offered(request.user))
    form.drop_links()
    if form.errors:
        return _refuse(request, form)
    preset, options = Preset(owner=request.user), without_link(form.options)
    try:
        preset.store(name=form.cleaned_data["preset_name"], options=options, is_shared=False)
    except InvalidPreset as refusal:
        form.add_error("preset_name", str(refusal))
        return _refuse(request, form)
    offer = preset.offered_to(request.user)
    presets.remember(request.user, offer, options)
    among = presets.offered(request.user)
    saved = AddForm.to_go_on(offer.key, form.options, among=among, urls=form.text)
    note = gettext("Saved as preset “%(name)s”.") % {"name": preset.name}
    return _page(request, saved, Told(note=note))


def _add_again(request: SignedInRequest, form: AddForm) -> HttpResponse:
    """Add one link although its user has it. What else was typed or is known stays."""
    form.drop_links()
    if form.errors:
        return _refuse(request, form)
    try:
        url = check_link(request.POST["again"])
        [submitted] = submissions.submit(
            [(url, form.options)],
            owner=request.user,
            actor=user_actor(request.user),
            is_again=True,
        )
    except (InvalidLink, TooManyWaiting) as refusal:
        form.add_error("urls", str(refusal))
        return _refuse(request, form)
    listed = [*form.links, *request.POST.getlist("known")]
    known = submissions.known(request.user, dict.fromkeys(listed), form.options)
    note = about_submitted([submitted], had=0, form=form)
    told = Told(note=note, known=known)
    return _page(request, _redrawn(form, urls=form.text), told, added=[submitted.download])


def _submit(request: SignedInRequest, form: AddForm, urls: Sequence[str]) -> list[Submitted | None]:
    return submissions.submit_what_fits(
        [(url, form.options) for url in urls],
        owner=request.user,
        actor=user_actor(request.user),
    )


def _too_many(request: SignedInRequest, refused: Sequence[str]) -> TooManyWaiting:
    return TooManyWaiting(
        waiting=Download.objects.waiting_of(request.user),
        wanted=len(refused),
        limit=settings.VNSITE.user_waiting,
    )


def _answer(
    request: SignedInRequest,
    form: AddForm,
    told: Told,
    *,
    submitted: Sequence[Submitted],
    kept: Sequence[str],
) -> HttpResponse:
    """Answer a form of which links were added; `kept` are still to be mended."""
    if not (kept or told.known or is_of_script(request)):
        messages.success(request, told.note)
        return redirect(next_path(request, default=reverse("dashboard")))
    added = [answer.download for answer in submitted]
    if not kept:
        return _page(request, AddForm.to_begin(request.user), told, added=added)
    fresh = _redrawn(form, urls="\n".join(kept))
    fresh.set_on_links(**{"aria-invalid": "true", "aria-describedby": "id_urls_error"})
    return _page(request, fresh, told, status=HTTPStatus.UNPROCESSABLE_ENTITY, added=added)


def _redrawn(form: AddForm, *, urls: str, is_folded: bool = True) -> AddForm:
    """Make the form with the choice that was sent."""
    return AddForm.to_go_on(
        form.chosen_preset.key, form.options, among=form.among, urls=urls, is_folded=is_folded
    )


def _refuse(request: SignedInRequest, form: AddForm) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, form, Told.of_refused(form), status=status)


def _page(
    request: SignedInRequest,
    form: AddForm,
    told: Told,
    *,
    status: int = HTTPStatus.OK,
    added: Sequence[Download] = (),
) -> HttpResponse:
    """Answer the parts of the form to a script, else the page with the form."""
    context: dict[str, Any] = {"form": form, "told": told}
    if not told.problems:  # which take the focus
        form.set_on_links(autofocus=True)
    if not is_of_script(request):
        return render(request, "downloads/add.html", context, status=status)
    answer = render(request, "downloads/partials/add_answer.html", context, status=status)
    if added:  # live.js shows them at once
        newest = [each.correlation_id for each in added][-PAGE_SIZE:]
        answer["HX-Trigger"] = json.dumps({"vnsite:added": newest, "vnsite:changed": newest})
    return answer


def _shared_links(fields: Mapping[str, str]) -> str:
    """Return the links in what was shared, one a line; all of it when there is none."""
    texts = [fields[name] for name in SHARED if fields.get(name)]
    shared = "\n".join(dict.fromkeys(texts))
    links = find_links(shared).links
    return "\n".join(link.url for link in links) if links else shared
