"""Formats log lines, and adds the download that a line is about.

No Django. structlog is imported with the first line, not before: that takes 70 ms, and a worker
that restarts has downloads to recover first. For the same reason the fields are not kept by
`structlog.contextvars`.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any

from downloads.rules.classify import ERRNOS, ErrorFacts, code_of
from downloads.rules.errors import advice_of
from downloads.rules.redaction import escape, redact

if TYPE_CHECKING:
    from structlog.stdlib import ProcessorFormatter
    from structlog.typing import EventDict

# Shown before the message on the console; other fields follow it.
HEAD = ("timestamp", "level", "logger", "event", "exception")
OURS = HEAD[:3]  # nobody else's words are in them


_fields: ContextVar[Mapping[str, object]] = ContextVar("fields of the log")


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Add fields (correlation_id, attempt, worker) to every line that is logged inside the `with`.

    They belong to the thread or task; a thread that is started inside begins without them.
    """
    before = _fields.set({**_fields.get({}), **fields})
    try:
        yield
    finally:
        _fields.reset(before)


def be_about(**fields: object) -> None:
    """Set the fields until the thread or task ends, or until the next call."""
    _fields.set(fields)


def failed(logger: logging.Logger, what: str, error: BaseException) -> None:
    """Log that `what` failed: one line with the remedy when a disk or a limit is to blame.

    Anything else is a fault of ours and gets its traceback. Call it while `error` is handled.
    """
    if isinstance(error, OSError) and error.errno in ERRNOS:
        code = code_of(ErrorFacts(errno=error.errno))
        told = advice_of(ERRNOS[error.errno], {"code": code})
        logger.error("%s: %s. %s", what, error, told.next_step)
    else:
        logger.exception("%s", what)


class LogFormatter(logging.Formatter):
    """One redacted, escaped line for each record of any library.

    A traceback follows in lines that begin with `  | `, or is a field of the JSON object.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        return self._formatter.format(record)

    @cached_property
    def _formatter(self) -> "ProcessorFormatter":
        with _as_if_missing("structlog.twisted", "rich"):
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


@contextmanager
def _as_if_missing(*names: str) -> Iterator[None]:
    """Keep structlog from importing what it does not need here, 5 MB that a worker does not use."""
    held = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(held, None))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in held:
            del sys.modules[name]


def _add_fields(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    return {**event, **_fields.get({})}


def _redact(_logger: object, _method: str, event: "EventDict") -> "EventDict":
    for name, value in event.items():
        if name not in OURS and not isinstance(value, int):
            event[name] = escape(redact(str(value)), keep="\n" if name == "exception" else "")
    return event


def _render(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    fields = " ".join(f"{name}={event[name]}" for name in event if name not in HEAD)
    first = f"{event['timestamp']} {event['level'].upper()} {event['logger']}: {event['event']}"
    # A traceback quotes the site's words: none of its lines may look like one of ours.
    trace = "".join(f"\n  | {each}" for each in event.get("exception", "").splitlines())
    return first + (f" [{fields}]" if fields else "") + trace
