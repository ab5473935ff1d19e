"""How much the crash tests do. Without options as much as CI has time for.

The options are known when pytest is told to run this directory: `bin/test tests/crash --sweep-all`.
A run of everything loads this file too late for that, and takes the defaults.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crash tests")
    group.addoption(
        "--sweep-all",
        action="store_true",
        help="kill at every system call of the sweep, not at a sample of them",
    )
    group.addoption(
        "--kill-seconds",
        type=float,
        metavar="SECONDS",
        help="how long the random kills go on (default: 20, on PostgreSQL 12)",
    )
    group.addoption(
        "--kill-downloads",
        type=int,
        metavar="N",
        help="how many downloads run at once meanwhile (default: 12)",
    )
    group.addoption(
        "--kill-seed", type=int, metavar="SEED", help="repeat the random kills of this seed"
    )
