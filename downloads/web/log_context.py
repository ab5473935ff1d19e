"""Names the download that a request is about, for the lines that are logged on the way."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from downloads import logs


class NamesTheDownload(MiddlewareMixin):
    """A middleware: the correlation id of the address becomes a field of the log."""

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],
        arguments: tuple[Any, ...],
        named: dict[str, Any],
    ) -> None:
        if "correlation_id" in named:
            logs.be_about(correlation_id=named["correlation_id"])

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not response.streaming:  # of a file the blocks are still to be read
            logs.be_about()
        return response
