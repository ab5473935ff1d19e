"""The entries of the library, which outlive the deletion of their downloads."""

from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models

from downloads.disk import library
from downloads.models.transactions import choices
from downloads.rules.states import Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class LibraryEntryQuerySet(models.QuerySet["LibraryEntry"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Entries that a user may see: their own, or all for staff."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)


class LibraryEntry(models.Model):
    """A directory in the library. The row is written after the directory is there."""

    correlation_id = models.CharField(max_length=64, unique=True)  # of the download that left it
    # None: the download was deleted, and its files were not.
    download = models.OneToOneField(
        "Download", null=True, blank=True, on_delete=models.SET_NULL, related_name="entry"
    )
    # Not checked by the database: that would lock the user's row after the download's, and who
    # deletes a user locks them the other way round.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
    )
    path = models.CharField(max_length=255, unique=True)  # the directory's name in the library
    url = models.CharField(max_length=2048)
    site = models.CharField(max_length=300)
    title = models.CharField(max_length=500)
    published_at = models.DateTimeField()

    # By `Prefetch(…, to_attr="read_files")`, which costs a list half of what `files` costs it.
    read_files: "list[PublishedFile]"

    objects = LibraryEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-published_at"]
        verbose_name_plural = "library entries"

    def __str__(self) -> str:
        return self.path


class PublishedFile(models.Model):
    """A file in the library. The row is written after the file is there."""

    entry = models.ForeignKey(
        LibraryEntry,
        on_delete=models.CASCADE,
        related_name="files",
        db_index=False,  # the constraint has one
    )
    name = models.CharField(max_length=255)  # inside the entry's directory
    size = models.BigIntegerField()  # bytes
    sha256 = models.CharField(max_length=64)  # "": not known, it was imported
    media_type = models.CharField(max_length=64)
    role = models.CharField(max_length=16, choices=choices(Role), default=Role.VIDEO)
    language = models.CharField(max_length=32, blank=True, default="")  # of subtitles; "": others

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["entry", "name"], name="published_file_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def fault(self) -> str:
        """See `library.fault_of`: somebody else may have changed the library."""
        path = settings.VNSITE.media_root / self.entry.path / self.name
        return library.fault_of(path, size=self.size)
