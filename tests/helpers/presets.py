"""Presets of users, saved as every entrance saves them."""

from typing import Any

from django.contrib.auth.models import User

from downloads.models import Preset
from downloads.rules.options import DownloadOptions


def save(owner: User, name: str, *, is_shared: bool = False, **options: Any) -> Preset:
    preset = Preset(owner=owner)
    chosen = DownloadOptions.from_mapping(options)
    preset.store(name=name, options=chosen, is_shared=is_shared)
    return preset
