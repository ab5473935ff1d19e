"""How the history names who did something."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from downloads.models.workers import Worker


def worker_actor(worker: "Worker") -> str:
    return f"worker:{worker.name}"


def user_actor(user: "User | AnonymousUser") -> str:
    return f"user:{user.get_username()}"
