"""How a line of the log looks, and which download it is about.

No Django. structlog is imported with the first line and not before: it takes 70 ms, and a worker
that starts again has downloads to recover first. For the same reason the fields of a line are not
kept by `structlog.contextvars`.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any

from downloads.rules.redaction import escape, redact

if TYPE_CHECKING:
    from structlog.stdlib import ProcessorFormatter
    from structlog.typing import EventDict

# At the head of a line on the console; all else stands behind the message.
HEAD = ("timestamp", "level", "logger", "event", "exception")


_fields: ContextVar[Mapping[str, object]] = ContextVar("fields of the log")


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Every line that is logged within has these fields: correlation_id, attempt, worker.

    They belong to the thread or task; a thread that is started within begins without them.
    """
    before = _fields.set({**_fields.get({}), **fields})
    try:
        yield
    finally:
        _fields.reset(before)


def be_about(**fields: object) -> None:
    """As `about`, from here to the end of the thread or task, or to the next call."""
    _fields.set(fields)


class LogFormatter(logging.Formatter):
    """One line for each record of whatever library, redacted and with control characters escaped.

    A traceback follows in lines that begin with `  | `, or is a field of the JSON object.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        return self._formatter.format(record)

    @cached_property
    def _formatter(self) -> "ProcessorFormatter":
        _without_twisted()
        from structlog import processors, stdlib

        return stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                processors.TimeStamper(fmt="iso", utc=True),
                stdlib.add_log_level,
                stdlib.add_logger_name,
                _add_fields,
                processors.format_exc_info,
                processors.StackInfoRenderer(),
            ],
            processors=[
                stdlib.ProcessorFormatter.remove_processors_meta,
                _redact,
                processors.JSONRenderer(ensure_ascii=False) if self._as_json else _render,
            ],
        )


def _without_twisted() -> None:
    """structlog imports Twisted where it is installed; a worker has no use for it."""
    sys.modules.setdefault("structlog.twisted", None)  # type: ignore[arg-type]


def _add_fields(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    return {**event, **_fields.get({})}


def _redact(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    for name, value in event.items():
        if not isinstance(value, int):
            event[name] = escape(redact(str(value)), keep="\n" if name == "exception" else "")
    return event


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    fields = " ".join(f"{name}={event[name]}" for name in event if name not in HEAD)
    first = f"{event['timestamp']} {event['level'].upper()} {event['logger']}: {event['event']}"
    # A traceback quotes what a site said: none of its lines may look like one of ours.
    trace = "".join(f"\n  | {each}" for each in event.get("exception", "").splitlines())
    return first + (f" [{fields}]" if fields else "") + trace
