"""What a user chose about the pages, and how fast their downloads may be together."""

from enum import StrEnum

from django.conf import settings
from django.db import models

from downloads.models.transactions import choices


class Theme(StrEnum):
    """Which colours the pages have; AUTO: those of the browser."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"
    CONTRAST = "contrast"


class Density(StrEnum):
    """How much room a row of the list takes."""

    COMPACT = "compact"
    COMFORTABLE = "comfortable"


class Announcements(StrEnum):
    """What a page tells a screen reader of what happens by itself."""

    ALL = "all"
    FAILURES = "failures"
    NONE = "none"


class Motion(StrEnum):
    """Whether anything on a page moves by itself; SYSTEM: as the reader's system says."""

    SYSTEM = "system"
    FULL = "full"
    REDUCED = "reduced"


class Preferences(models.Model):
    """One row a user; without a row the defaults hold."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="preferences",
    )
    language = models.CharField(max_length=8, blank=True, default="")  # "": the browser's
    theme = models.CharField(max_length=8, choices=choices(Theme), default=Theme.AUTO)
    density = models.CharField(max_length=12, choices=choices(Density), default=Density.COMPACT)
    shows_pictures = models.BooleanField(default=True)  # in the rows of the list, as the next two
    shows_facts = models.BooleanField(default=True)
    shows_ages = models.BooleanField(default=True)
    announcements = models.CharField(
        max_length=8, choices=choices(Announcements), default=Announcements.ALL
    )
    motion = models.CharField(max_length=8, choices=choices(Motion), default=Motion.SYSTEM)
    # How often what runs is drawn anew, at most; 0: as it comes.
    update_seconds = models.PositiveSmallIntegerField(default=0)
    starts_paused = models.BooleanField(default=False)  # live updates, until the reader resumes
    has_notifications = models.BooleanField(default=False)  # of the browser
    has_first_steps = models.BooleanField(default=True)  # in place of an empty list
    has_keys = models.BooleanField(default=True)  # shortcuts of one letter
    # Bytes per second of all running downloads of the user together; None: no limit.
    rate_limit = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return str(self.user)

    @property
    def hidden_columns(self) -> str:
        """The columns that rows are shown without, as the style sheet calls them; "": none."""
        shown = {
            "pictures": self.shows_pictures,
            "facts": self.shows_facts,
            "ages": self.shows_ages,
        }
        return " ".join(name for name, is_shown in shown.items() if not is_shown)
