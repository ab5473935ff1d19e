"""The tags of our templates. The words of a page come from the view models in `web`."""

from functools import cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from downloads.models import Counts
from downloads.rules.states import State
from downloads.waiting import has_live_worker, is_draining
from downloads.web.drawn import draw
from downloads.web.format import LOOKS, instant, language, size
from downloads.web.words import script_url

register = template.Library()
register.simple_tag(instant)
register.simple_tag(size)
register.simple_tag(draw, name="row")
register.simple_tag(script_url, name="words_url")

SPRITE = "downloads/vendor/lucide-static-1.62.0/icons.svg"


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Draw an icon of the sprite, for the eye only: the words are beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static(SPRITE),
        name,
    )


@register.simple_tag(takes_context=True)
def current(context: template.Context, *names: str) -> SafeString:
    """Mark a link that leads to the page it is on; `names` are those of the routes behind it."""
    match = getattr(context.get("request"), "resolver_match", None)
    is_here = match is not None and match.view_name in names
    return SafeString(' aria-current="page"' if is_here else "")


@register.inclusion_tag("downloads/partials/workers_missing.html", takes_context=True)
def workers_missing(context: template.Context) -> dict[str, Any]:
    """Warn of downloads that wait while no worker takes any."""
    waiting = Counts.objects.visible_to(context["user"]).by_state()[State.CREATED]
    if not waiting or (has_live_worker() and not is_draining()):
        return {"waiting": 0}
    return {"waiting": waiting, "is_draining": is_draining()}


@register.simple_tag
def badge(state: str, outcome: str | None = None) -> SafeString:
    """Draw a state: colour, icon and word. CLEANED with an outcome shows that."""
    return _badge(State(outcome if state == State.CLEANED and outcome else state), language())


@cache
def _badge(state: State, _language: str) -> SafeString:
    look = LOOKS[state]
    return format_html(
        '<span class="badge state-{}">{}{}</span>', state, icon(look.icon), look.label
    )
