"""What a start learns, kept as JSON for the next one. Losing it costs time and nothing else."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Return the object that is kept in a file; an empty one when there is none, or another thing.

    A power cut, or two who wrote at once, may have spoiled the file.
    """
    with suppress(OSError, ValueError):
        kept = json.loads(path.read_bytes())
        if isinstance(kept, dict):
            return kept
    return {}


def keep(path: Path, value: dict[str, Any]) -> None:
    """Write it, or do nothing where it cannot be written. Two at once may spoil the file."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(value))
        draft.replace(path)
