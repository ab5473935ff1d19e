"""Retry with other options: the POST of the form, or of one button. Wiring only."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from downloads import actions
from downloads.models import user_actor
from downloads.web.detail import find, page_of, refuse
from downloads.web.requests import SignedInRequest, next_path
from downloads.web.retry_form import RetryForm

WHOLE = "whole"  # a field of the form, in which a box that is not sent is off


@require_POST
@login_required
def retry_changed(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Try a download again with other options, or show its page with what is wrong with them."""
    found = find(request, correlation_id)
    make = RetryForm if WHOLE in request.POST else RetryForm.of_button
    form = make(found, request.POST)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return page_of(request, correlation_id, retry_form=form, status=status)
    try:
        actions.retry(found, actor=user_actor(request.user), options=form.options)
    except actions.NotAllowed as refusal:
        return refuse(request, found, refusal)
    return redirect(next_path(request, default=reverse("download", args=[correlation_id])))
