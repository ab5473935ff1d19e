"""Turns yt-dlp's messages into lines of the attempt's log."""

from downloads.fetch.failure import BUG_REPORT
from downloads.fetch.protocol import Said, Send
from downloads.rules.classify import NO_IMPERSONATION
from downloads.rules.redaction import MAX_LOOKED_AT, safe_line


class Voice:
    """A logger for yt-dlp. Silent until `speak_to` is called: the fork server has no listener."""

    def __init__(self) -> None:
        self._send: Send | None = None
        self.hints: list[str] = []  # kinds of errors that a warning foretells

    def speak_to(self, send: Send) -> None:
        self._send = send

    def debug(self, message: str) -> None:
        """Log a message. yt-dlp sends normal output here too; only its prefix tells which it is."""
        self._say("debug" if message.startswith("[debug] ") else "info", message)

    def info(self, message: str) -> None:
        self._say("info", message)

    def warning(self, message: str) -> None:
        if "attempting impersonation" in message:
            self.hints.append(NO_IMPERSONATION)
        self._say("warning", BUG_REPORT.sub("", message))

    def error(self, message: str) -> None:
        self._say("error", BUG_REPORT.sub("", message.removeprefix("ERROR: ")))

    def _say(self, level: str, message: str) -> None:
        if self._send is None:
            return
        for each in message[:MAX_LOOKED_AT].splitlines():
            if text := safe_line(each):
                self._send(Said(level=level, text=text))
