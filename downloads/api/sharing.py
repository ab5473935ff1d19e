"""One model for each shape of an answer, whatever number of operations has it."""

from typing import Any

from ninja.operation import Operation
from ninja.schema import Schema

_make = Operation._create_response_model
_made: dict[Any, type[Schema] | None] = {}


def share_models() -> None:
    """Have Ninja make each model of a response once; call it before the first operation.

    It makes one for each status of each operation, 292 of which most are the same refusal: half of
    the time and the memory that the API takes to load.
    """
    Operation._create_response_model = _shared  # type: ignore[method-assign, assignment]


def _shared(self: Operation, shape: Any) -> type[Schema] | None:
    if shape not in _made:
        _made[shape] = _make(self, shape)
    return _made[shape]
