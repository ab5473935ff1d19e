"""What a link that stands for many videos turned out to hold."""

from django.db import models

from downloads.models.download import MAX_TITLE_LENGTH, Download
from downloads.models.transactions import choices
from downloads.rules.states import ListKind


class Listing(models.Model):
    """The listing that a download ended with. Written with all of its entries, or not at all."""

    download = models.OneToOneField(
        Download, primary_key=True, on_delete=models.CASCADE, related_name="listing"
    )
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    kind = models.CharField(max_length=16, choices=choices(ListKind))
    count = models.PositiveIntegerField()  # of its entries
    is_complete = models.BooleanField()  # False: a limit ended the reading

    def __str__(self) -> str:
        return self.title


class Entry(models.Model):
    """One video of a listing, or a list within it."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="entries")
    position = models.PositiveIntegerField()  # from 1, in the order of the site
    # As those of a download; "" when the site tells them only on the video's page.
    extractor = models.CharField(max_length=100, blank=True, default="")
    media_id = models.CharField(max_length=300, blank=True, default="")
    url = models.CharField(max_length=2048)
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    duration_seconds = models.FloatField(null=True)  # None: the site did not say
    uploaded_at = models.DateTimeField(null=True)  # None: the site did not say
    is_live = models.BooleanField(default=False)
    is_list = models.BooleanField(default=False)
    # The newest download that was made of it; None: of it none was made, or that was deleted.
    download = models.ForeignKey(
        Download, null=True, on_delete=models.SET_NULL, related_name="made_of"
    )

    class Meta:
        ordering = ["position"]
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["listing", "position"], name="entry_position_once")
        ]

    def __str__(self) -> str:
        return self.title or self.url
