"""Saved views of the list: save, rename, remove. The dashboard shows them."""

from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from downloads.models import SavedView
from downloads.rules.names import MAX_NAME_LENGTH, InvalidName
from downloads.rules.search import BadValue, checked
from downloads.rules.words import say
from downloads.web.listing import ListQuery
from downloads.web.requests import SignedInRequest


class ViewForm(forms.Form):
    """The name of a view. What it shows is in the address of the page, or in its row."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "maxlength": MAX_NAME_LENGTH}),
    )

    def __init__(self, *args: Any, view: SavedView, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.view = view

    def save(self) -> bool:
        """Store the view. False: it was refused, and the errors say why."""
        if self.is_valid():
            try:
                checked(self.view.text)
                self.view.store(name=self.cleaned_data["name"])
            except (InvalidName, BadValue) as refusal:
                self.add_error("name", str(refusal))
        return not self.errors


@require_POST
@login_required
def save(request: SignedInRequest) -> HttpResponse:
    """Save the list that the form's `state`, `q` and `sort` ask for."""
    query = ListQuery.parse(request.POST.dict()).first_page
    view = SavedView(owner=request.user, filter=query.filter, text=query.text, sort=query.sort)
    return _store(request, view)


@require_POST
@login_required
def rename(request: SignedInRequest, pk: int) -> HttpResponse:
    return _store(request, _own(request, pk))


@require_POST
@login_required
def remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Remove the view; the list stays as it is shown."""
    view = _own(request, pk)
    view.delete()
    messages.success(request, say("Removed: {name}", name=view.name))
    return redirect(_address_of(view))


def _store(request: HttpRequest, view: SavedView) -> HttpResponse:
    """Store the view under the name that was sent, or show what is wrong with it."""
    form = ViewForm(request.POST, view=view)
    if form.save():
        return redirect(_address_of(view))
    context = {"form": form, "query": ListQuery.of(view), "way_back": _address_of(view)}
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, "downloads/saved_view.html", context, status=status)


def _own(request: SignedInRequest, pk: int) -> SavedView:
    return get_object_or_404(SavedView, owner=request.user, pk=pk)


def _address_of(view: SavedView) -> str:
    return f"{reverse('dashboard')}{ListQuery.of(view).address}"
