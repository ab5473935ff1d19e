"""The account page in words: a user's API tokens."""

from typing import NamedTuple

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from downloads.models import ApiToken, Scope
from downloads.web.format import instant


class TokenView(NamedTuple):
    pk: int
    name: str
    facts: SafeString  # what it may, how long, and when it was used


def token_view(token: ApiToken) -> TokenView:
    scope = _("read only") if token.scope == Scope.READ else _("read and write")
    facts = [scope, _use(token), _expiry(token)]
    return TokenView(token.pk, token.name, format_html_join(" · ", "{}", ((x,) for x in facts)))


def _use(token: ApiToken) -> SafeString | str:
    if token.last_used_at is None:
        return _("never used")
    return format_html(_("used {}"), instant(token.last_used_at, relative=True))


def _expiry(token: ApiToken) -> SafeString | str:
    if token.expires_at is None:
        return _("valid until it is revoked")
    has_expired = token.expires_at <= timezone.now()
    return format_html(_("expired {}") if has_expired else _("until {}"), instant(token.expires_at))
