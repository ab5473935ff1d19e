"""The small picture of a video, as rows show it."""

from django.db import models


class ThumbnailManager(models.Manager["Thumbnail"]):
    """The pictures of all downloads."""

    def keep(self, thumbnail: "Thumbnail") -> None:
        """Insert it unless its download has one: an address shows one picture for ever."""
        self.bulk_create([thumbnail], ignore_conflicts=True)


class Thumbnail(models.Model):
    """One verified picture of a download. Deleted with it."""

    download = models.OneToOneField(
        "Download", on_delete=models.CASCADE, primary_key=True, related_name="thumbnail"
    )
    media_type = models.CharField(max_length=32)  # image/jpeg, image/webp or image/png
    content = models.BinaryField()  # a few KiB

    objects = ThumbnailManager()

    def __str__(self) -> str:
        return f"thumbnail of {self.download}"
