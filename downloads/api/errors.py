"""The API's refusals: a status, and a body that says why."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, ValidationError
from ninja.responses import Response

from downloads import actions
from downloads.accounts.tokens import token_in
from downloads.api.idempotency import KeyOfAnotherRequest
from downloads.api.lookup import NoSuchEntry
from downloads.api.schemas import Conflict, FieldProblem, Invalid, Problem
from downloads.models import TooManyWaiting
from downloads.rules.cookie_texts import InvalidCookies
from downloads.rules.errors import BY_CODE
from downloads.rules.filters import TooSlow
from downloads.rules.links import InvalidLink
from downloads.rules.names import InvalidName
from downloads.rules.options import InvalidOption
from downloads.rules.presets import InvalidPreset, UnknownPreset, UnusablePreset
from downloads.rules.proxies import InvalidProxy
from downloads.rules.states import State
from downloads.subscriptions.models import InvalidSubscription


def answer_errors(api: NinjaAPI) -> None:
    """Register an answer for every foreseeable exception of the operations."""
    for exception, answer in _ANSWERS.items():
        api.add_exception_handler(exception, answer)


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return _problem(404, Problem(detail="There is no such download."))


def _no_entry(request: HttpRequest, error: NoSuchEntry) -> HttpResponse:
    return _problem(404, Problem(detail="There is no such entry in the library."))


def _not_allowed(request: HttpRequest, refusal: actions.NotAllowed) -> HttpResponse:
    return _problem(409, Conflict(detail=str(refusal), state=State(refusal.state)))


def _not_authenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    sentence = str(error) if token_in(request) else "Sign in, or send a token."
    response = _problem(401, Problem(detail=sentence))
    response["WWW-Authenticate"] = "Bearer"
    return response


def _too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return _problem(413, Problem(detail=f"The request is larger than {most} bytes."))


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    problems = [FieldProblem(field=_field(each), reason=_reason(each)) for each in error.errors]
    return _invalid_fields(problems)


def _too_many_waiting(request: HttpRequest, refusal: TooManyWaiting) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="url", reason=str(refusal))])


def _invalid_option(request: HttpRequest, refusal: InvalidOption) -> HttpResponse:
    return _invalid_fields([FieldProblem(field=f"options.{refusal.option}", reason=refusal.reason)])


def _no_preset(request: HttpRequest, refusal: UnknownPreset | UnusablePreset) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="preset", reason=str(refusal))])


def _invalid_field(
    request: HttpRequest, refusal: InvalidPreset | InvalidSubscription
) -> HttpResponse:
    return _invalid_fields([FieldProblem(field=refusal.field, reason=str(refusal))])


def _too_slow(request: HttpRequest, refusal: TooSlow) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="include", reason=BY_CODE["slow_filter"].sentence)])


def _invalid_name(request: HttpRequest, refusal: InvalidName) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="name", reason=str(refusal))])


def _invalid_cookies(request: HttpRequest, refusal: InvalidCookies) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="cookies", reason=str(refusal))])


def _invalid_host(request: HttpRequest, refusal: InvalidLink) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="host", reason=str(refusal))])


def _invalid_proxy(request: HttpRequest, error: InvalidProxy) -> HttpResponse:
    return _invalid_fields([FieldProblem(field="proxy", reason=str(error))])


def _key_of_another(request: HttpRequest, error: KeyOfAnotherRequest) -> HttpResponse:
    reason = "This key was used for another request. Use a new one."
    return _invalid_fields([FieldProblem(field="Idempotency-Key", reason=reason)])


def _invalid_fields(problems: list[FieldProblem]) -> HttpResponse:
    first = problems[0]
    return _problem(422, Invalid(detail=f"{first.field}: {first.reason}", errors=problems))


def _problem(status: int, problem: Problem) -> HttpResponse:
    return Response(problem.model_dump(by_alias=True), status=status)


def _field(error: dict[str, Any]) -> str:
    """Turn ("body", "wish", "options", "quality") into `options.quality`."""
    source, *path = error["loc"]
    if source == "body":
        path = path[1:] or ["body"]
    return ".".join(map(str, path))


def _reason(error: dict[str, Any]) -> str:
    """Return the sentence of our own ValueError, or pydantic's message with a full stop."""
    return str(error["ctx"]["error"]) if error["type"] == "value_error" else f"{error['msg']}."


_ANSWERS: dict[type[Exception], Any] = {
    Http404: _not_found,
    NoSuchEntry: _no_entry,
    actions.NotAllowed: _not_allowed,
    AuthenticationError: _not_authenticated,
    RequestDataTooBig: _too_big,
    ValidationError: _invalid,
    TooManyWaiting: _too_many_waiting,
    InvalidOption: _invalid_option,
    UnknownPreset: _no_preset,
    UnusablePreset: _no_preset,
    InvalidPreset: _invalid_field,
    InvalidSubscription: _invalid_field,
    TooSlow: _too_slow,
    InvalidName: _invalid_name,
    InvalidProxy: _invalid_proxy,
    KeyOfAnotherRequest: _key_of_another,
    InvalidCookies: _invalid_cookies,
    InvalidLink: _invalid_host,
}
