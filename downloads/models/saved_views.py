"""Views: what a user filters and searches the list by, and its order, under a name."""

from django.conf import settings
from django.db import IntegrityError, models

from downloads.models.transactions import short_transaction
from downloads.rules.names import (
    MAX_KEY_LENGTH,
    MAX_NAME_LENGTH,
    InvalidName,
    clean_name,
    key_of,
)
from downloads.rules.words import say

MAX_VIEWS = 30  # of one user


class SavedView(models.Model):
    """One view of one user. `key` is the name without regard to case.

    `filter` and `sort` are words of the dashboard's address. One that a later version no longer
    knows means the default there, as in an address.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="views"
    )
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    key = models.CharField(max_length=MAX_KEY_LENGTH, editable=False)
    filter = models.CharField(max_length=16)
    text = models.CharField(max_length=500, blank=True, default="")
    sort = models.CharField(max_length=16)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="view_once")]

    def __str__(self) -> str:
        return self.name

    def store(self, *, name: str) -> None:
        """Write a new view, or this one under another name.

        Raises InvalidName; then nothing was written.
        """
        self.name = clean_name(name)
        self.key = key_of(self.name)
        try:
            with short_transaction():
                self._refuse_one_too_many()
                self.save()
        except IntegrityError:
            sentence = say("You have a view named “{name}” already.", name=self.name)
            raise InvalidName(sentence) from None

    def _refuse_one_too_many(self) -> None:
        if self.pk is None and SavedView.objects.filter(owner=self.owner).count() >= MAX_VIEWS:
            raise InvalidName(say("You have {number} views. Remove one of them.", number=MAX_VIEWS))
