"""What yt-dlp says while it works: lines for the log of the attempt."""

from downloads.fetch.failure import BUG_REPORT
from downloads.fetch.protocol import Said, Send
from downloads.rules.redaction import MAX_LOOKED_AT, safe_line


class Voice:
    """A logger for yt-dlp. Silent until `speak_to`: in the fork server nobody listens."""

    def __init__(self) -> None:
        self._send: Send | None = None

    def speak_to(self, send: Send) -> None:
        self._send = send

    def debug(self, message: str) -> None:
        """yt-dlp calls this for what it shows by itself as well; only its own mark tells."""
        self._say("debug" if message.startswith("[debug] ") else "info", message)

    def info(self, message: str) -> None:
        self._say("info", message)

    def warning(self, message: str) -> None:
        self._say("warning", BUG_REPORT.sub("", message))

    def error(self, message: str) -> None:
        self._say("error", BUG_REPORT.sub("", message.removeprefix("ERROR: ")))

    def _say(self, level: str, message: str) -> None:
        if self._send is None:
            return
        for each in message[:MAX_LOOKED_AT].splitlines():
            if text := safe_line(each):
                self._send(Said(level=level, text=text))
