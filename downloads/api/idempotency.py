"""The same request, sent twice with one Idempotency-Key, is done once and answered twice."""

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
    """Do the work, or give the stored answer when the user has sent this request with this key.

    The answer is stored in the transaction of the work, so that after a crash both are there or
    neither is; nothing is stored when the work raises. `key` None: do the work. `shape` is what the
    stored answer is read back as. Raises KeyOfAnotherRequest.
    """
    if key is None:
        return work()
    request_digest = _digest(request)
    try:
        return _answer(request_digest, work, user=user, key=key, shape=shape)
    except IntegrityError:
        # The same request, sent at the same time, was first: its answer is there now.
        return _answer(request_digest, work, user=user, key=key, shape=shape)


def _answer(
    request_digest: str,
    work: Callable[[], Status[Answer]],
    *,
    user: "User",
    key: str,
    shape: type[Answer],
) -> Status[Answer]:
    with transaction.atomic():
        answers = IdempotentAnswer.objects.filter(user=user)
        answers.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
        stored = answers.filter(key=key).first()
        if stored is None:
            answer = work()
            IdempotentAnswer.objects.create(
                user=user,
                key=key,
                request_digest=request_digest,
                status=answer.status_code,
                body=answer.value.model_dump(mode="json", by_alias=True),
            )
            return answer
    if stored.request_digest != request_digest:
        raise KeyOfAnotherRequest
    return Status(stored.status, shape.model_validate(stored.body))


def _digest(request: HttpRequest) -> str:
    head = f"{request.method} {request.get_full_path()}\n"
    return hashlib.sha256(head.encode() + request.body).hexdigest()
