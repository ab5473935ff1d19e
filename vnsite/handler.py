"""Django as an ASGI application that makes each answer in one thread, which it enters once."""

from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from servestatic.middleware import ServeStaticMiddleware  # type: ignore[import-untyped]

from vnsite.request_threads import RequestThreads


class Handler(ASGIHandler):
    """Answers static files at once, and all else in a thread: its middleware, then its view.

    Django's own handler goes to the thread and back for each half of a middleware, twenty times for
    a page, and each time it waits for a processor. A view that is a coroutine runs in the event
    loop, while the thread waits for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = RequestThreads()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request. Django's own handler starts a thread for each."""
        async with self._threads.one():
            await self.handle(scope, receive, send)

    def load_middleware(self, is_async: bool = False) -> None:
        """Load it for a thread, whatever is asked for; static files are looked for before it."""
        super().load_middleware(is_async=False)
        self._static_files = StaticFiles(sync_to_async(self.get_response))

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self._static_files(request)
        return response


class StaticFiles(ServeStaticMiddleware):  # type: ignore[misc]
    """Serves static files without what protects pages: those headers are a tenth of a first visit.

    Nor does it send the headers by which browsers would ask again: a static file never changes.
    """

    @staticmethod
    async def aserve(static_file: Any, request: HttpRequest) -> HttpResponseBase:
        """Return the response of a file that was found."""
        response: HttpResponseBase = await ServeStaticMiddleware.aserve(static_file, request)
        del response.headers["ETag"], response.headers["Last-Modified"]
        return response
