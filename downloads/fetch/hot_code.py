"""Puts the code that a download runs side by side, so that its child copies fewer pages of memory.

Python counts references in the head of each piece of code that it calls, and notes in the piece
what it learns of its types. So a child writes to, and the kernel copies, each page with such a
piece. Where modules leave them, they are on five times as many pages as they fill.
"""

import cProfile
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType

# Pieces are told apart by their `id`: those of two files may be equal.
Pieces = dict[int, CodeType]

# Those of which there are copies. What a child allocates would go where they were, and that is on
# as many pages.
_replaced: list[CodeType] = []


@contextmanager
def noted() -> Iterator[Pieces]:
    """Note which code is called meanwhile; known at the end. No other profiler can be in use."""
    called: Pieces = {}
    with cProfile.Profile(builtins=False) as profile:
        yield called
    pieces = (entry.code for entry in profile.getstats())
    called.update({id(each): each for each in pieces if isinstance(each, CodeType)})


def gather(called: Pieces) -> int:
    """Copy this code to new memory, for all functions that have it; return how many these are.

    Python has to learn again what it knew of its types. All that is there is frozen for the
    collector afterwards.
    """
    copies: Pieces = {}

    def copy_of(code: CodeType) -> CodeType:
        if id(code) not in copies:
            constants = tuple(
                copy_of(each) if isinstance(each, CodeType) and id(each) in called else each
                for each in code.co_consts
            )
            copies[id(code)] = code.replace(co_consts=constants)
            _replaced.append(code)
        return copies[id(code)]

    gc.unfreeze()  # what is frozen is not found
    functions = [each for each in gc.get_objects() if type(each) is FunctionType]
    hot = [function for function in functions if id(function.__code__) in called]
    for function in hot:
        function.__code__ = copy_of(function.__code__)
    gc.freeze()
    return len(hot)
