"""The archive: the media ids of all videos that an owner has or had."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from downloads.models.transactions import short_transaction
from downloads.rules.archive import MAX_EXTRACTOR_LENGTH, MAX_MEDIA_ID_LENGTH, MediaId

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROWS_AT_ONCE = 1000  # of one transaction, or of one query


class ArchivedMediaQuerySet(models.QuerySet["ArchivedMedia"]):
    def of(self, owner: "User | None") -> Self:
        """The archive of one user; None: of the downloads that nobody owns."""
        return self.filter(owner=owner)

    def lines(self) -> Iterator[str]:
        """Yield the archive as yt-dlp writes it, oldest first, in texts of many lines.

        Each text is a query of its own: a slow reader keeps no transaction open.
        """
        newest = 0
        while page := list(self.filter(pk__gt=newest).order_by("pk")[:ROWS_AT_ONCE]):
            newest = page[-1].pk
            yield "".join(MediaId(row.extractor, row.media_id).line for row in page)


class ArchivedMedia(models.Model):
    """One video that an owner has or had; it outlives the download and the file."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="archive",
        db_constraint=False,  # as that of a library entry
        db_index=False,  # the first constraint has one
    )
    extractor = models.CharField(max_length=MAX_EXTRACTOR_LENGTH)  # as those of a download
    media_id = models.CharField(max_length=MAX_MEDIA_ID_LENGTH)
    added_at = models.DateTimeField()

    objects = ArchivedMediaQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "archived media"
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "media_id", "extractor"], name="archived_media_once"
            ),
            models.UniqueConstraint(
                fields=["media_id", "extractor"],
                condition=models.Q(owner=None),
                name="archived_media_of_nobody_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.extractor} {self.media_id}"


def archive(owner: "User | None", media: Sequence[MediaId]) -> int:
    """Add videos to an owner's archive; return how many were not there.

    In transactions of ROWS_AT_ONCE, so that nobody waits for a long one: what was interrupted is
    done again as a whole.
    """
    added = 0
    for start in range(0, len(media), ROWS_AT_ONCE):
        with short_transaction():
            added += _archive(owner, media[start : start + ROWS_AT_ONCE])
    return added


def _archive(owner: "User | None", media: Sequence[MediaId]) -> int:
    ids = {media_id for _, media_id in media}
    present = ArchivedMedia.objects.of(owner).filter(media_id__in=ids)
    known = set(present.values_list("extractor", "media_id"))
    now = timezone.now()
    fresh = [
        ArchivedMedia(owner=owner, extractor=each.extractor, media_id=each.media_id, added_at=now)
        for each in media
        if each not in known
    ]
    # A download of one of them may complete meanwhile.
    ArchivedMedia.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)
