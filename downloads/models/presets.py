"""Presets: a user's own, the shared ones, the default, and the last choice on the page."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import IntegrityError, models
from django.db.models import Q

from downloads.models.transactions import short_transaction
from downloads.rules.names import MAX_KEY_LENGTH, MAX_NAME_LENGTH, key_of
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.presets import (
    BEST,
    SHIPPED,
    InvalidPreset,
    OfferedPreset,
    Origin,
    UnknownPreset,
    UnusablePreset,
    clean_name,
    clean_options,
    preset_named,
    without_link,
)
from downloads.rules.words import say

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_PRESETS = 100  # of one user


class PresetQuerySet(models.QuerySet["Preset"]):
    def usable_by(self, user: "User | None") -> Self:
        """Presets that a user may choose: their own and the shared ones; None: the shared ones."""
        return self.filter(Q(owner=user) | Q(is_shared=True))


class Preset(models.Model):
    """Options under a name. `key` is the name without regard to case."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="presets"
    )
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    key = models.CharField(max_length=MAX_KEY_LENGTH, editable=False)
    options = models.JSONField(default=dict)  # what differs from the defaults
    is_shared = models.BooleanField(default=False)

    objects = PresetQuerySet.as_manager()

    class Meta:
        ordering = ["key", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="preset_once"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(is_shared=True), name="preset_shared_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def store(self, *, name: str, options: DownloadOptions, is_shared: bool) -> None:
        """Write a new preset, or this one anew. Raises InvalidPreset; then nothing was written.

        A preset that is renamed stays the default and the last choice of those who use it.
        """
        if is_shared and not self.owner.is_staff:
            raise InvalidPreset("shared", say("Only staff may share a preset."))
        was = self.key
        self.name, self.options = clean_name(name), clean_options(options)
        self.key, self.is_shared = key_of(self.name), is_shared
        try:
            with short_transaction():
                self._refuse_one_too_many()
                self.save()
                if was and was != self.key:
                    self._keep_uses(was)
        except IntegrityError:
            raise InvalidPreset("name", self._why_the_name_is_taken()) from None

    def _refuse_one_too_many(self) -> None:
        if self.pk is None and Preset.objects.filter(owner=self.owner).count() >= MAX_PRESETS:
            sentence = say("You have {number} presets. Delete one of them.", number=MAX_PRESETS)
            raise InvalidPreset("name", sentence)

    def _keep_uses(self, was: str) -> None:
        uses = PresetUse.objects.filter(user=self.owner)
        if self.is_shared:  # of everybody for whom the old name meant this preset
            uses = PresetUse.objects.exclude(user__presets__key=was)
        uses.filter(default=was).update(default=self.key)
        uses.filter(last=was).update(last=self.key)

    def _why_the_name_is_taken(self) -> str:
        others = Preset.objects.exclude(pk=self.pk).filter(key=self.key)
        if others.filter(owner=self.owner).exists():
            return say("You have a preset named “{name}” already.", name=self.name)
        return say("There is a shared preset named “{name}” already.", name=self.name)

    def offered_to(self, user: "User | None") -> OfferedPreset:
        is_own = user is not None and self.owner_id == user.pk
        return OfferedPreset(
            key=self.key,
            name=self.name,
            origin=Origin.OWN if is_own else Origin.SHARED,
            stored=self.options,
            is_shared=self.is_shared,
            owner=self.owner.get_username(),
        )


class PresetUse(models.Model):
    """What a user begins with: their default preset, or else what they chose last on the page.

    Presets are named by their key. One that is gone is like none.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="preset_use",
    )
    default = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, default="")
    last = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, default="")
    last_changes = models.JSONField(default=dict)  # options that differed from those of `last`

    def __str__(self) -> str:
        return f"presets of {self.user}"


def offered(user: "User | None") -> list[OfferedPreset]:
    """Return what a user may choose: their own presets, the shared and the shipped ones.

    A shared preset with the name of an own one is left out.
    """
    rows = Preset.objects.usable_by(user).select_related("owner")
    presets = [row.offered_to(user) for row in rows]
    own = [each for each in presets if each.origin is Origin.OWN]
    taken = {each.key for each in own}
    return [
        *own,
        *(each for each in presets if each.origin is Origin.SHARED and each.key not in taken),
        *SHIPPED,
    ]


def find_preset(name: str, *, user: "User | None") -> OfferedPreset:
    """Return the preset of that name: the user's own, a shared or a shipped one.

    Raises UnknownPreset.
    """
    return preset_named(name, offered(user))


def chosen_options(
    preset: str | None, changes: Mapping[str, object], *, user: "User | None"
) -> DownloadOptions:
    """Return the options of a preset (None: the defaults) with `changes`.

    Raises UnknownPreset, UnusablePreset, and InvalidOption.
    """
    base = DownloadOptions() if preset is None else find_preset(preset, user=user).options
    return base.with_overrides(**changes)


def default_of(user: "User") -> str:
    """Return the key of the user's default preset; "" for none."""
    use = PresetUse.objects.filter(user=user).first()
    return use.default if use else ""


def make_default(user: "User", key: str) -> None:
    """Let the user begin with this preset from now on; "": with their last choice."""
    PresetUse.objects.update_or_create(user=user, defaults={"default": key})


def remember(user: "User", preset: OfferedPreset, options: DownloadOptions) -> None:
    """Keep the last choice on the page, without what belongs to one link."""
    base, kept = preset.options.as_dict(), without_link(options).as_dict()
    changes = {name: value for name, value in kept.items() if value != base[name]}
    last = {"last": preset.key, "last_changes": changes}
    if not PresetUse.objects.filter(user=user, **last).exists():
        PresetUse.objects.update_or_create(user=user, defaults=last)


def beginning(
    user: "User", among: Iterable[OfferedPreset]
) -> tuple[OfferedPreset, DownloadOptions]:
    """Return the preset and the options that the form for new links begins with.

    `among` are those that the user is offered. Best without changes when the default or the last
    choice is gone or cannot be used.
    """
    use = PresetUse.objects.filter(user=user).first() or PresetUse(user=user)
    with suppress(UnknownPreset, UnusablePreset, InvalidOption):
        preset = preset_named(use.default or use.last or BEST.key, among)
        return preset, preset.options.with_overrides(**({} if use.default else use.last_changes))
    return BEST, BEST.options
