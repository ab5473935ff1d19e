"""The presets of the JSON API: everybody's to read that may use them, one's own to write."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router, Status
from pydantic import Field

from downloads.api.auth import user_of
from downloads.api.schemas import Incoming, Invalid, OptionsIn, Outgoing, Problem
from downloads.models import Preset, presets
from downloads.rules.options import DownloadOptions
from downloads.rules.presets import OfferedPreset, Origin, UnknownPreset

router = Router(by_alias=True)

READ = {401: Problem}
FIND = {**READ, 404: Problem}
WRITE = {**READ, 403: Problem, 413: Problem, 422: Invalid}
CHANGE = {**WRITE, 404: Problem}
Name = Annotated[str, Path(description="Without regard to case; of a shipped one its key too")]
NOT_YOURS = "This preset is not yours. Save its options under a name of your own."


class PresetIn(Incoming):
    name: str = Field(description="At most 60 characters, without slashes")
    options: OptionsIn = OptionsIn()
    shared: bool = Field(False, description="With everybody; for staff")


class PresetChange(Incoming):
    """What is left out of the options has its default; `name` null: as it is."""

    name: str | None = None
    options: OptionsIn
    shared: bool = Field(False, description="With everybody; for staff")


class PresetOut(Outgoing):
    key: str = Field(description="Names it in addresses and in `preset`; its name does too")
    name: str
    origin: Origin
    owner: str | None
    shared: bool
    options: dict[str, object] = Field(description="What differs from the defaults")
    fault: str | None = Field(description="Why it cannot be used: it is of another version")

    @classmethod
    def of(cls, preset: OfferedPreset) -> "PresetOut":
        return cls(
            key=preset.key,
            name=preset.name,
            origin=preset.origin,
            owner=preset.owner or None,
            shared=preset.is_shared,
            options=dict(preset.stored),
            fault=preset.fault or None,
        )


class PresetList(Outgoing):
    items: list[PresetOut]


@router.get("/presets", response={200: PresetList, **READ}, summary="List presets")
def list_presets(request: HttpRequest) -> PresetList:
    """Your own, those that staff share, and those that come with vnsite."""
    found = presets.offered(user_of(request))
    return PresetList(items=[PresetOut.of(each) for each in found])


@router.post("/presets", response={201: PresetOut, **WRITE}, summary="Save a preset")
def save_preset(request: HttpRequest, wish: PresetIn) -> Status[PresetOut]:
    preset = Preset(owner=user_of(request))
    options = DownloadOptions.from_mapping(wish.options.chosen)
    preset.store(name=wish.name, options=options, is_shared=wish.shared)
    return Status(201, PresetOut.of(preset.offered_to(preset.owner)))


@router.get("/presets/{name}", response={200: PresetOut, **FIND}, summary="One preset")
def get_preset(request: HttpRequest, name: Name) -> PresetOut | Status[Problem]:
    try:
        return PresetOut.of(presets.find_preset(name, user=user_of(request)))
    except UnknownPreset as unknown:
        return Status(404, Problem(detail=str(unknown)))


@router.put("/presets/{name}", response={200: PresetOut, **CHANGE}, summary="Change a preset")
def change_preset(
    request: HttpRequest, name: Name, wish: PresetChange
) -> PresetOut | Status[Problem | None]:
    """Your own. Deleting or changing a preset changes no download."""
    preset = _own(request, name)
    if isinstance(preset, Status):
        return preset
    options = DownloadOptions.from_mapping(wish.options.chosen)
    preset.store(name=wish.name or preset.name, options=options, is_shared=wish.shared)
    return PresetOut.of(preset.offered_to(preset.owner))


@router.delete("/presets/{name}", response={204: None, **CHANGE}, summary="Delete a preset")
def delete_preset(request: HttpRequest, name: Name) -> Status[Problem | None]:
    """Your own. Downloads stay as they are."""
    preset = _own(request, name)
    if isinstance(preset, Status):
        return preset
    preset.delete()
    return Status(204, None)


def _own(request: HttpRequest, name: str) -> Preset | Status[Problem | None]:
    """Return the user's own preset, or the answer that says why there is none."""
    user = user_of(request)
    try:
        found = presets.find_preset(name, user=user)
    except UnknownPreset as unknown:
        return Status(404, Problem(detail=str(unknown)))
    if found.origin is not Origin.OWN:
        return Status(403, Problem(detail=NOT_YOURS))
    return Preset.objects.get(owner=user, key=found.key)
