"""Tokens of the API, the answers that it keeps, and the names of users in the history."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


def user_actor(user: "User | AnonymousUser") -> str:
    """Return the name of a user in the history."""
    return f"user:{user.get_username()}"


class Scope(models.TextChoices):
    """The rights of a token, which never exceed those of its user."""

    READ = "read", _("read")
    WRITE = "write", _("read and write")


class ApiToken(models.Model):
    """A token of the API. Only its hash is stored: it is shown once, when it is made."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)  # sha256 of the token
    scope = models.CharField(max_length=8, choices=Scope, default=Scope.WRITE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)  # None: never
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.user})"


class IdempotentAnswer(models.Model):
    """The answer to a request with an Idempotency-Key, kept to give it again.

    Written in the transaction of what it answers, so that both are there or neither is.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)  # sha256 of method, path and body
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotent_answer_once")
        ]

    def __str__(self) -> str:
        return self.key
