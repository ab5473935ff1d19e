"""The archive: the media ids of all videos that an owner has or had."""

from django.conf import settings
from django.db import models


class ArchivedMedia(models.Model):
    """One video that an owner has or had; it outlives the download and the file."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.CASCADE,
        related_name="archive",
        db_constraint=False,  # as that of a library entry
    )
    extractor = models.CharField(max_length=100)  # as those of a download
    media_id = models.CharField(max_length=300)
    added_at = models.DateTimeField()

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
