"""How pages are compressed; that browsers get them so is in tests/vnsite/test_static_files.py."""

from random import Random

import brotli
import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from downloads.web.compression import CompressesPages, compress

PAGE = b"<p>The same again and again.</p>" * 100


def answer(request_headers: dict[str, str], response: HttpResponseBase) -> HttpResponseBase:
    request = HttpRequest()
    request.META.update(request_headers)
    return CompressesPages(lambda _: response).process_response(request, response)


@pytest.mark.parametrize("padding", [0, 1, 57, 256])
def test_padding_makes_a_page_longer_and_nothing_else(padding: int) -> None:
    compressed = compress(PAGE, padding=padding)

    assert brotli.decompress(compressed) == PAGE
    assert len(compressed) - len(compress(PAGE, padding=0)) in range(padding, padding + 5)


def test_two_pages_with_the_same_text_have_different_lengths() -> None:
    taken = {"HTTP_ACCEPT_ENCODING": "gzip, br"}

    lengths = {answer(taken, HttpResponse(PAGE))["Content-Length"] for _ in range(50)}

    assert len(lengths) > 1


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(b"short"),
        HttpResponse(PAGE, headers={"Content-Encoding": "zstd"}),
        StreamingHttpResponse([PAGE]),
    ],
    ids=["short", "compressed", "streamed"],
)
def test_what_is_short_compressed_or_streamed_is_left_as_it_is(response: HttpResponseBase) -> None:
    before = dict(response.items())

    assert answer({"HTTP_ACCEPT_ENCODING": "br"}, response) is response
    assert dict(response.items()) == before


def test_what_compression_would_lengthen_is_left_as_it_is() -> None:
    noise = Random(0).randbytes(256)

    response = answer({"HTTP_ACCEPT_ENCODING": "br"}, HttpResponse(noise))

    assert "Content-Encoding" not in response
    assert getattr(response, "content", b"") == noise
