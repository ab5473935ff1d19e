"""Idempotency-Key: a request that is sent twice with one key is done once and answered twice."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Status
from pydantic import BaseModel

from downloads.models import IdempotentAnswer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Answer = TypeVar("Answer", bound=BaseModel)

KEPT_FOR = timedelta(days=1)


class KeyOfAnotherRequest(Exception):
    """This Idempotency-Key was used for another request."""


def answer_once(
    request: HttpRequest,
    work: Callable[[], Status[Answer]],
    *,
    user: "User",
    key: str | None,
    shape: type[Answer],
) -> Status[Answer]:
    """Do the work, or return the stored answer if the user has sent this request with this key.

    One transaction does the work and stores the answer, so that after a crash both are there or
    neither is; nothing is stored when the work raises. `key` None: do the work. `shape` is the
    class of the answer. Raises KeyOfAnotherRequest.
    """
    if key is None:
        return work()
    digest = _digest(request)
    try:
        stored = _store(work, user=user, key=key, digest=digest)
    except IntegrityError:
        # The same request, sent at the same time, was first: its answer is there now.
        stored = _store(work, user=user, key=key, digest=digest)
    if stored.request_digest != digest:
        raise KeyOfAnotherRequest
    return Status(stored.status, shape.model_validate(stored.body))


def _store(
    work: Callable[[], Status[Answer]], *, user: "User", key: str, digest: str
) -> IdempotentAnswer:
    """Return the stored answer, after the work when there is none. IntegrityError in a race."""
    with transaction.atomic():
        answers = IdempotentAnswer.objects.filter(user=user)
        answers.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
        stored = answers.filter(key=key).first()
        if stored is not None:
            return stored
        answer = work()
        body = answer.value.model_dump(mode="json", by_alias=True)
        return IdempotentAnswer.objects.create(
            user=user, key=key, request_digest=digest, status=answer.status_code, body=body
        )


def _digest(request: HttpRequest) -> str:
    head = f"{request.method} {request.get_full_path()}\n"
    return hashlib.sha256(head.encode() + request.body).hexdigest()
