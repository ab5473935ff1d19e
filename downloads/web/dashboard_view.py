"""The dashboard in words, around its rows: banners, filters with counts, and the list's frame."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_noop

from downloads.diagnostics.verdict import Check
from downloads.models import Queue, SavedView
from downloads.rules.words import say, say_number
from downloads.waiting import Obstacles, Waiting
from downloads.web.actors import actor_in_words
from downloads.web.format import instant
from downloads.web.listing import PAGE_SIZE, PAGE_SIZES, Filter, ListQuery, Page
from downloads.web.order import Sort
from downloads.web.row_view import site_waits, start_a_worker
from downloads.web.system_view import HostView

MAX_SITES = 3  # that have a banner of their own


class Banner(NamedTuple):
    """A warning above the list."""

    level: str
    icon: str
    title: str = ""
    text: str = ""
    fix: str = ""
    site: Waiting | None = None  # the site that it is about
    resumes: bool = False  # whether it has the button that resumes the queue


def banners(
    *,
    obstacles: Obstacles,
    waiting: int,
    problems: list[Check],
    sites: list[tuple[Waiting, int]],
    newer_sets: Iterable[HostView],
    is_for_staff: bool,
) -> Iterator[Banner]:
    """Say what is wrong. `waiting` downloads wait; `sites` are left alone; on the hosts of
    `newer_sets` somebody may update yt-dlp."""
    if waiting and not obstacles.has_worker:
        title = gettext("No worker is running.")
        text = say_number(
            "{number:,} download is waiting.", "{number:,} downloads are waiting.", number=waiting
        )
        yield Banner("error", icon="triangle-alert", title=title, text=text, fix=start_a_worker())
    if waiting and obstacles.is_draining:
        words = gettext("Every worker is draining.")
        way = format_html('<a href="{}">{}</a>', reverse("workers"), gettext("Workers"))
        yield Banner("error", icon="triangle-alert", title=words, text=way)
    if obstacles.queue.paused_at:
        yield _queue_is_paused(obstacles.queue, is_for_staff=is_for_staff)
    for each in problems:
        yield Banner(each.level, icon="triangle-alert", title=str(each.sentence), fix=str(each.fix))
    for site, count in sites[:MAX_SITES]:
        who = say_number(
            "{number:,} download waits for it.", "{number:,} downloads wait for it.", number=count
        )
        text = format_html("{}. {}", site_waits(site), who)
        yield Banner("warning", icon="clock", text=text, site=site)
    if more := len(sites[MAX_SITES:]):
        text = say_number("{number} more site waits.", "{number} more sites wait.", number=more)
        yield Banner("warning", icon="clock", text=text)
    for host in newer_sets:
        text = format_html(
            gettext(
                'yt-dlp {newer} is there, and {host} uses {used}. <a href="{page}">Update it</a>'
            ),
            newer=host.newer,
            host=host.row.host,
            used=host.used,
            page=reverse("system"),
        )
        yield Banner("info", icon="info", text=text)


def _queue_is_paused(queue: Queue, *, is_for_staff: bool) -> Banner:
    assert queue.paused_at  # noqa: S101 — it is paused
    text = format_html(
        gettext("The queue is paused by {who} since {time}. What runs goes on."),
        who=actor_in_words(queue.paused_by),
        time=instant(queue.paused_at.replace(second=0, microsecond=0), clock=True),
    )
    return Banner("warning", icon="pause", text=text, resumes=is_for_staff)


class AllActions(NamedTuple):
    """How many downloads the menu of the list would act on, without a selection."""

    failed: int
    waiting: int
    ended: int
    is_paused: bool  # the queue

    @classmethod
    def of(cls, counts: Mapping[Filter, int], queue: Queue) -> "AllActions":
        over = (Filter.COMPLETED, Filter.FAILED, Filter.CANCELLED)
        return cls(
            failed=counts[Filter.FAILED],
            waiting=counts[Filter.WAITING],
            ended=sum(counts[each] for each in over),
            is_paused=queue.paused_at is not None,
        )


class FilterLink(NamedTuple):
    filter: Filter
    number: int
    address: str
    is_current: bool


def filter_links(
    query: ListQuery, counts: Mapping[Filter, int], *, is_saved: bool
) -> list[FilterLink]:
    """Return the links of the states; when the query `is_saved`, its view is the current one."""
    return [
        FilterLink(
            filter=each,
            number=counts[each],
            address=replace(query.first_page, filter=each).address,
            is_current=each is query.filter and not is_saved,
        )
        for each in Filter
    ]


class ViewLink(NamedTuple):
    """A saved view above the list."""

    pk: int
    name: str
    address: str
    is_current: bool


def view_links(query: ListQuery, views: Iterable[SavedView]) -> list[ViewLink]:
    current = query.first_page
    found = ((view, ListQuery.of(view)) for view in views)
    return [
        ViewLink(pk=view.pk, name=view.name, address=each.address, is_current=each == current)
        for view, each in found
    ]


class Chip(NamedTuple):
    """A part of the search."""

    text: str
    fault: str  # why it counts for nothing; "" when it does not
    address: str  # of the list without it


def chips(query: ListQuery) -> list[Chip]:
    search = query.search
    return [
        Chip(
            text=part.text,
            fault=part.fault,
            address=replace(query.first_page, text=search.without(index)).address,
        )
        for index, part in enumerate(search.parts)
    ]


ORDERS = {
    Sort.NOW: gettext_noop("What runs first"),
    Sort.NEWEST: gettext_noop("Newest first"),
    Sort.OLDEST: gettext_noop("Oldest first"),
}


class Empty(NamedTuple):
    """What stands in the place of rows."""

    icon: str
    sentence: str
    way_out: str = ""  # the words of a link to all downloads


def empty_list(query: ListQuery) -> Empty:
    if query.is_narrowed:
        return Empty(icon="search", sentence=_no_match(query), way_out=gettext("Clear filters"))
    if query.is_first_page:
        return Empty(icon="inbox", sentence=gettext("Nothing here yet. Add a link above."))
    sentence = gettext("There is nothing on this page any more.")
    return Empty(icon="inbox", sentence=sentence, way_out=gettext("To the first page"))


def _no_match(query: ListQuery) -> str:
    text, state = query.text, query.filter.label
    if query.filter is Filter.ALL:
        return say("No downloads match “{text}”.", text=text)
    if not text:
        return say("No downloads match the filter “{state}”.", state=state)
    return say("No downloads match “{text}” and the filter “{state}”.", text=text, state=state)


def sizes(query: ListQuery, page: Page) -> list[tuple[int, str, bool]]:
    """Return how many rows a page may have, with the address of such a page and whether it is this
    one; nothing where no choice would show other rows."""
    is_short = not (page.previous or page.next) and len(page.downloads) <= min(PAGE_SIZES)
    choices = () if is_short else PAGE_SIZES
    return [
        (rows, replace(query.first_page, rows=rows).address, rows == query.rows) for rows in choices
    ]


def list_view(query: ListQuery, page: Page) -> dict[str, object]:
    """Say what stands around the rows: the search, the order, and the pages beside this one."""
    return {
        "query": query,
        "chips": chips(query),
        "may_save": query.may_be_saved,
        "page": page,
        "sizes": sizes(query, page),
        "rows": "" if query.rows == PAGE_SIZE else query.rows,
        "state": "" if query.filter is Filter.ALL else query.filter,
        # Value, label and whether it is chosen.
        "orders": [(each, gettext(ORDERS[each]), each is query.sort) for each in Sort],
        "takes_new": query.is_first_page,
        "to_newest": query.first_page.address,
        "without_search": replace(query.first_page, text="").address,
        # This page while there is no next one, for rows.js to go on from.
        "to_next": (page.next or query).address,
        "empty": empty_list(query),
    }
