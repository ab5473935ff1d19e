"""Who did something, in words."""

from collections.abc import Sequence

from django.utils.translation import gettext as _


def actor_in_words(actor: str, *, workers: Sequence[str] = ()) -> str:
    """Write `user:ann` as "ann", a worker by its number and host, a command as the command line.

    `workers`: the actors among which a worker is numbered, each once; without them it has none.
    """
    kind, _colon, name = actor.partition(":")
    match kind:
        case "user":
            return name
        case "command":
            return _("the command line")
        case "subscription" if name:
            return _("the subscription “%(name)s”") % {"name": name}
        case "subscription":
            return _("a subscription")
        case "worker" | "recovery":
            return _worker_in_words(name, workers)
    return actor.replace(":", " ")


def _worker_in_words(name: str, workers: Sequence[str]) -> str:
    host = host_of_worker(name)
    if name not in workers:
        return _("worker (%(host)s)") % {"host": host}
    number = workers.index(name) + 1
    return _("worker %(number)d (%(host)s)") % {"number": number, "host": host}


def host_of_worker(name: str) -> str:
    """Return the host in a worker's name, which ends with its process and a random number."""
    parts = name.rsplit("-", 2)
    return parts[0] if len(parts) == 3 else name


def workers_among(actors: Sequence[str]) -> list[str]:
    """Return the names of the workers among the actors, in the order in which they came."""
    named = (actor.partition(":") for actor in actors)
    return list(
        dict.fromkeys(name for kind, _colon, name in named if kind in ("worker", "recovery"))
    )
