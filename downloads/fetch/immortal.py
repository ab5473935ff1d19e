"""Makes immortal what the fork server has loaded, so that its children share it for good.

Python counts the references to an object in its head. So a child that only looks at what it shares
writes to it, and the kernel copies the page. Since 3.12 it counts none where the count says that
the object is immortal (PEP 683): then a small download copies 800 pages instead of 2,100.
"""

import ctypes
import gc
from collections.abc import Iterator
from types import CodeType

HEAD_BYTES = 16  # the count and the type
SLICE = 5000  # objects
_count_of = ctypes.c_uint32.from_address
_IMMORTAL = _count_of(id(None)).value


def is_possible() -> bool:
    """Whether this Python knows immortal objects: 3.12 and newer, except where threads run free."""
    return object.__basicsize__ == HEAD_BYTES and ctypes.c_int32(_IMMORTAL).value < 0


def immortalize() -> Iterator[int]:
    """Make every object that there is immortal, a slice at a time; yield how many are by now.

    Yields nothing where this Python has no immortal objects. None of them is freed any more, so
    this is for what stays loaded; what is open can be closed as before, and what is made afterwards
    is counted. A slice takes some 5 ms, all of it 0.2 s. All that is there at first is frozen for
    the collector.
    """
    if not is_possible():
        return
    gc.unfreeze()  # what is frozen is not found
    left = gc.get_objects()
    gc.freeze()
    made = 0
    while left:
        each = left.pop()
        count = _count_of(id(each))
        if count.value == _IMMORTAL:
            continue
        count.value = _IMMORTAL
        left += gc.get_referents(each)
        if isinstance(each, CodeType):  # the collector does not know what it refers to
            left += (each.co_consts, each.co_names)
        made += 1
        if made % SLICE == 0:
            yield made
