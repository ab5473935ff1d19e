"""Asks for a film's streams in a container that browsers play: a download like every other.

It fetches nothing: its child reads the file in the library, and what it makes is an entry of its
own. The film that it was made of stays.
"""

from django.db.models import Q

from downloads.actions import NotAllowed, refuse_when_too_many_wait
from downloads.models import Download, Submitted, Thumbnail, short_transaction
from downloads.models.submissions import submit_what_fits
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.remuxing import container_for
from downloads.rules.states import ACTIVE, Outcome, Role
from downloads.rules.words import say

# What is known of the streams in the file, which may be said anew of the other one.
OF_THE_FILE = ("container", "bytes", "formats")


def target_of(download: Download) -> str:
    """Return the container that its film could be put into; "" when it left none that needs it."""
    media = download.media
    codecs = {name: str(media.get(name) or "") for name in ("video_codec", "audio_codec")}
    return container_for(str(media.get("container") or ""), **codecs)


def remuxed(download: Download) -> Download | None:
    """Return what was made of its film already, or waits or runs; None when there is nothing."""
    made = Download.objects.filter(owner=download.owner_id, remux_of=download.correlation_id)
    there = made.filter(Q(state__in=ACTIVE) | Q(outcome=Outcome.COMPLETED, entry__isnull=False))
    return there.order_by("-pk").first()


def remux(download: Download, *, actor: str) -> Submitted:
    """Add a download that copies the streams of a film into a container that browsers play.

    Its owner is the film's. When there is one already, that is the answer. Raises NotAllowed when
    there is no film that needs it, when its file is not there, and when too many of the owner's
    downloads wait.
    """
    target = target_of(download)
    film = next((file for file in download.files if file.role == Role.VIDEO), None)
    if not target or film is None:
        raise NotAllowed(download, say("It has no film that could be remuxed for browsers."))
    if film.fault:
        raise NotAllowed(download, say("The file of the film is not in the library any more."))
    if made := remuxed(download):
        return Submitted(download=made, created=False)
    refuse_when_too_many_wait(download)
    media = {name: value for name, value in download.media.items() if name not in OF_THE_FILE}
    columns = {
        **{name: getattr(download, name) for name in ("title", "extractor", "media_id")},
        "media": media,
        "remux_of": download.correlation_id,
        "is_again": True,
    }
    with short_transaction():
        (submitted,) = submit_what_fits(
            [(download.url, _options_of(download, target))],
            owner=download.owner,
            actor=actor,
            columns=[columns],
            purpose=f"remux of {download.correlation_id}",
        )
        if submitted is not None:
            _copy_thumbnail(download, submitted)
    # Others were added between the look and the submission: as it is now.
    return submitted or remux(download, actor=actor)


def _options_of(download: Download, container: str) -> DownloadOptions:
    """Return the options that stand for the same files, in the other container."""
    try:
        own = DownloadOptions.from_mapping(download.options)
        return own.with_overrides(container=container, start_at=None)
    except InvalidOption:  # of a newer version, or they contradict a container
        return DownloadOptions.from_mapping({"container": container})


def _copy_thumbnail(download: Download, submitted: Submitted) -> None:
    picture = Thumbnail.objects.filter(download=download).first()
    if picture is not None and submitted.created:
        copy = Thumbnail(
            download=submitted.download, media_type=picture.media_type, content=picture.content
        )
        Thumbnail.objects.keep(copy)
