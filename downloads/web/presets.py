"""The pages of presets: list, new, edit, delete, default. Wiring, and the words of the list."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads.models import Preset, presets
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import (
    BEST,
    InvalidPreset,
    OfferedPreset,
    Origin,
    UnknownPreset,
    UnusablePreset,
)
from downloads.rules.words import say
from downloads.web.choice_form import PRESET_HEADINGS
from downloads.web.detail_view import options_in_words
from downloads.web.option_fields import OptionsForm
from downloads.web.requests import SignedInRequest


class PresetForm(OptionsForm):
    """A preset's name and options, without those that belong to one link."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "size": 30}),
    )
    is_shared = forms.BooleanField(label=gettext_lazy("Shared with everybody"), required=False)

    def __init__(self, *args: Any, preset: Preset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.preset = preset
        if not (preset.owner.is_staff or preset.is_shared):
            del self.fields["is_shared"]

    def _offered(self) -> Iterable[str]:
        return [name for name, option in OPTIONS.items() if not option.of_one_link]

    def save(self) -> bool:
        """Store the preset. False: it was refused, and the errors say why."""
        if not self.is_valid():
            return False
        chosen = {name: self.cleaned_data[name] for name in OPTIONS if name in self.fields}
        try:
            self.preset.store(
                name=self.cleaned_data["name"],
                options=DownloadOptions(**chosen),
                is_shared=self.cleaned_data.get("is_shared", False),
            )
        except InvalidOption as refusal:
            self.add_error(refusal.option, refusal.reason)
        except InvalidPreset as refusal:
            self.add_error("is_shared" if refusal.field == "shared" else "name", str(refusal))
        return not self.errors


class PresetView(NamedTuple):
    """A preset in the list."""

    key: str
    name: str
    summary: str
    fault: str
    is_shared: bool
    shared_by: str
    is_default: bool
    pk: int | None  # of an own one


class Section(NamedTuple):
    origin: Origin
    heading: str
    presets: list[PresetView]


@require_safe
@never_cache
@login_required
def index(request: SignedInRequest) -> HttpResponse:
    return render(request, "downloads/presets.html", {"sections": _sections(request.user)})


@require_http_methods(["GET", "POST"])
@login_required
def new(request: SignedInRequest) -> HttpResponse:
    """Make a preset; it begins as a copy of the one that `from` names."""
    try:
        base = presets.find_preset(request.GET.get("from", BEST.key), user=request.user).options
    except (UnknownPreset, UnusablePreset):
        base = BEST.options
    return _edit(request, Preset(owner=request.user), base)


@require_http_methods(["GET", "POST"])
@login_required
def edit(request: SignedInRequest, pk: int) -> HttpResponse:
    preset = _own(request, pk)
    try:
        return _edit(request, preset, preset.offered_to(request.user).options)
    except UnusablePreset as unusable:
        return _edit(
            request,
            preset,
            BEST.options,
            fault=say("{why} Save it anew, or delete it.", why=unusable),
        )


@require_POST
@login_required
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    preset = _own(request, pk)
    preset.delete()
    messages.success(request, say("Deleted: {name}", name=preset.name))
    return redirect("presets")


@require_POST
@login_required
def make_default(request: SignedInRequest) -> HttpResponse:
    """Begin with the preset `key` from now on, or with the last choice when it is empty."""
    key = request.POST.get("key", "")
    try:
        presets.make_default(request.user, key and presets.find_preset(key, user=request.user).key)
    except UnknownPreset as unknown:
        messages.error(request, str(unknown))
    return redirect("presets")


def _edit(
    request: SignedInRequest, preset: Preset, base: DownloadOptions, *, fault: str = ""
) -> HttpResponse:
    """Show the form, or store what was sent."""
    heading = preset.name or say("New preset")
    initial = {name: getattr(base, name) for name in OPTIONS}
    initial |= {"name": preset.name, "is_shared": preset.is_shared}
    form = PresetForm(request.POST or None, initial=initial, preset=preset)
    if request.method == "POST" and form.save():
        messages.success(request, say("Saved: {name}", name=preset.name))
        return redirect("presets")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"form": form, "preset": preset, "heading": heading, "fault": fault}
    return render(request, "downloads/preset.html", context, status=status)


def _own(request: SignedInRequest, pk: int) -> Preset:
    return get_object_or_404(Preset.objects.select_related("owner"), owner=request.user, pk=pk)


def _sections(user: User) -> list[Section]:
    default = presets.default_of(user)
    keys = dict(Preset.objects.filter(owner=user).values_list("key", "pk"))
    shown: dict[Origin, list[PresetView]] = {Origin.OWN: []}
    for each in presets.offered(user):
        pk = keys[each.key] if each.origin is Origin.OWN else None
        shown.setdefault(each.origin, []).append(_view(each, pk=pk, default=default))
    return [
        Section(origin, say(PRESET_HEADINGS[origin]), found)
        for origin, found in shown.items()
        if found
    ]


def _view(preset: OfferedPreset, *, pk: int | None, default: str) -> PresetView:
    return PresetView(
        key=preset.key,
        name=preset.label,
        summary="" if preset.fault else options_in_words(dict(preset.stored)),
        fault=preset.fault,
        is_shared=preset.is_shared,
        shared_by=say("Shared") if pk else say("by {name}", name=preset.owner),
        is_default=preset.key == default,
        pk=pk,
    )
