"""Form fields of the options, made of their table: a widget for each kind."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from downloads.rules.option_kinds import Choice, CountedChoice, Flag, Group, Option, Subset, counted
from downloads.rules.option_measures import Instant
from downloads.rules.options import OPTIONS
from downloads.rules.words import say

FIRST = "first"  # in the list of choices, with the number in a field of its own
FIRST_DEFAULT = 10


class OptionGroup(NamedTuple):
    """Options under one heading."""

    heading: str
    fields: list[forms.BoundField]


class OptionsForm(forms.Form):
    """Options as fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update({name: OptionField(OPTIONS[name]) for name in self._offered()})

    def _offered(self) -> Iterable[str]:
        """Return the names of the options that the form has; a subclass may leave some out."""
        return OPTIONS

    @property
    def option_groups(self) -> list[OptionGroup]:
        return [
            OptionGroup(heading=say(group), fields=fields)
            for group in Group
            if (
                fields := [each for each in self.option_fields if OPTIONS[each.name].group is group]
            )
        ]

    @property
    def option_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in OPTIONS if name in self.fields]

    @property
    def has_wrong_options(self) -> bool:
        return any(field.errors for field in self.option_fields)


class OptionField(forms.Field):
    """The field of one option. A missing or empty value means the default."""

    def __init__(self, option: Option) -> None:
        super().__init__(
            label=say(option.label),
            help_text=say(option.description),
            initial=option.default,
            required=False,
            widget=_widget(option),
        )
        self.option = option
        if option is OPTIONS["playlist"]:
            most = settings.VNSITE.max_entries
            self.help_text += " " + gettext("At most %(most)s are read.") % {
                "most": number_format(most, force_grouping=True)
            }
        if self._is_instant:
            zone = timezone.get_current_timezone_name()
            self.help_text += " " + gettext("In %(zone)s.") % {"zone": zone}

    def prepare_value(self, value: Any) -> Any:
        """Return what the widget shows: a stored value as a text, or what was typed as it is."""
        if isinstance(self.option, Subset | Flag):
            return value
        try:
            checked = self.option.checked(value)
        except ValueError:
            return value
        if isinstance(self.option, Instant) and checked:
            return timezone.localtime(datetime.fromisoformat(checked)).strftime("%Y-%m-%dT%H:%M")
        if checked == self.option.default and not isinstance(self.option, Choice):
            return ""
        return "" if checked is None else self.option.as_text(checked)

    def clean(self, value: Any) -> Any:
        """Return the stored form of what was chosen. Raises ValidationError with its sentence."""
        if value in ("", None, []):
            return self.option.default
        try:
            return self.option.checked(_with_zone(value) if self._is_instant else value)
        except ValueError as fault:
            raise ValidationError(str(fault)) from None

    @property
    def _is_instant(self) -> bool:
        return isinstance(self.option, Instant)


class CountedSelect(forms.Select):
    """A list of choices, one of which has a number beside it: `NAME` and `NAME_first`."""

    def __init__(self, choices: Any, *, most: int, number_label: str) -> None:
        super().__init__(choices=choices)
        self.number = forms.NumberInput({"min": 1, "max": most, "aria-label": number_label})

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        count = _count_of(value)
        choice = super().render(name, value if count is None else FIRST, attrs, renderer)
        shown = FIRST_DEFAULT if count is None else count
        beside = {"id": f"id_{name}_first"} | (
            {"form": self.attrs["form"]} if "form" in self.attrs else {}
        )
        number = self.number.render(f"{name}_first", shown, beside, renderer)
        return choice + number

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        value = data.get(name)
        return f"{FIRST}:{data.get(f'{name}_first', '')}" if value == FIRST else value


def _count_of(value: Any) -> int | str | None:
    """Return the number to show, also a wrong one that was typed; None for another choice."""
    if not isinstance(value, str) or not value.startswith(f"{FIRST}:"):
        return None
    try:
        return counted(value)
    except ValueError:
        return value.removeprefix(f"{FIRST}:")


def _widget(option: Option) -> forms.Widget:
    if isinstance(option, CountedChoice):
        first = option.counted_words("…")
        counted_choices = [(value, say(label)) for value, label in option.labels.items()]
        choices = [*counted_choices, (FIRST, first)]
        return CountedSelect(choices, most=option.most, number_label=first)
    if isinstance(option, Choice):
        return forms.Select(
            choices=[(value or "", say(label)) for value, label in option.labels.items()]
        )
    if isinstance(option, Flag):
        return forms.CheckboxInput()
    if isinstance(option, Subset):
        labels = [(value, say(label)) for value, label in option.labels.items()]
        return forms.CheckboxSelectMultiple(choices=labels)
    if isinstance(option, Instant):
        return forms.DateTimeInput(attrs={"type": "datetime-local"})
    attributes = {"placeholder": option.example, "autocomplete": "off"}
    return forms.TextInput(attrs=attributes | {"spellcheck": "false", "autocapitalize": "none"})


def _with_zone(text: str) -> str:
    """Give an instant without a zone that of the site. Leaves a text that is not an instant."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if instant.tzinfo else timezone.make_aware(instant).isoformat()
