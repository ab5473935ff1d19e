"""The architecture's document: which module lives on which floor, and what it may not touch.

`HOUSE` is the picture, `FENCES` and the two checks below it are the rules that no floor can say.
A new module fails here until somebody has decided where it lives. Everything is read from the
source with `ast`, so imports inside functions and under `if TYPE_CHECKING` count as well; the last
tests import for real.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Floors from the ground up, each with its rooms. A module may import from its own room and from
# every floor below, never from above, and never from the other room of its floor: the worker and
# the web meet only in rows. A package stands for all that is in it, unless a module of it has a
# line of its own.
HOUSE: tuple[dict[str, frozenset[str]], ...] = (
    {
        "ground": frozenset({"downloads.disk", "downloads.logs", "downloads.rules"}),
    },
    {
        "processes": frozenset(
            {
                "downloads",
                "downloads.fetch",
                "downloads.sandbox",
                "downloads.standalone",
                "downloads.updates",
                "vnsite",
                "vnsite.config",
                "vnsite.modes",
            }
        ),
    },
    {
        "rows": frozenset(
            {
                "downloads.library",
                "downloads.migrations",
                "downloads.models",
                "downloads.subscriptions",
            }
        ),
    },
    {
        "actions": frozenset(
            {
                "downloads.actions",
                "downloads.library.importing",
                "downloads.library.remuxing",
                "downloads.library.unknown",
                "downloads.library.removal",
                "downloads.many",
                "downloads.queueing",
                "downloads.submission",
                "downloads.subscriptions.checks",
                "downloads.subscriptions.keeping",
                "downloads.subscriptions.preview",
                "downloads.waiting",
            }
        ),
    },
    {
        "worker side": frozenset(
            {
                "downloads.DownloadManager",  # what `from downloads import DownloadManager` gets
                "downloads.diagnostics.invariants",  # judges by the rules of recovery
                "downloads.diagnostics.secrecy",  # a part of it
                "downloads.worker",
            }
        ),
        "web side": frozenset(
            {
                "downloads.accounts",
                "downloads.api",
                "downloads.diagnostics",
                "downloads.stream",
                "downloads.subscriptions.forms",
                "downloads.subscriptions.pages",
                "downloads.subscriptions.view",
                "downloads.templatetags",
                "downloads.web",
            }
        ),
    },
    {
        "entry points": frozenset(
            {
                "downloads.admin",
                "downloads.apps",
                "downloads.management",
                "downloads.subscriptions.apps",
                "vnsite.as_served",
                "vnsite.asgi",
                "vnsite.formats",
                "vnsite.handler",
                "vnsite.proxies",
                "vnsite.request_threads",
                "vnsite.server",
                "vnsite.settings",
                "vnsite.static_files",
                "vnsite.urls",
            }
        ),
    },
)
# The floors without Django.
PURE = frozenset({(0, "ground"), (1, "processes")})

# Imports that happen only when a name is first used: (module, function or the guard's name).
LAZY = frozenset(
    {
        ("downloads", "__getattr__"),
        ("downloads", "TYPE_CHECKING"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Fence:
    """Packages that only some places may import, in whatever room they are."""

    packages: frozenset[str]
    inside: frozenset[str]
    but_not: frozenset[str] = frozenset()


FENCES = (
    Fence(
        packages=frozenset({"channels", "daphne", "twisted"}),
        inside=frozenset({"downloads.stream.consumer", "vnsite"}),
        but_not=frozenset({"vnsite.config", "vnsite.settings"}),
    ),
    Fence(packages=frozenset({"yt_dlp"}), inside=frozenset({"downloads.fetch"})),
)

SIGNAL_FUNCTIONS = frozenset({"os.kill", "os.killpg", "signal.pidfd_send_signal"})
SIGNAL_METHODS = frozenset({"send_signal", "terminate", "kill"})
# `serve` may end the worker that it started itself.
MAY_SIGNAL = frozenset(
    {
        "downloads.fetch.processes",
        "downloads.management.forked",
        "downloads.management.worker_keeper",
    }
)

STATE_WRITERS = frozenset({"update", "aupdate", "create", "acreate"})
# The lifecycle of the pure core has states without rows.
MAY_WRITE_STATE = frozenset(
    {
        "downloads.models",
        "downloads.models.batches",  # the siblings of `move`
        "downloads.standalone",
    }
)

ROOMS = {
    member: (floor, room)
    for floor, rooms in enumerate(HOUSE)
    for room, members in rooms.items()
    for member in members
}


def parents(name: str) -> Iterator[str]:
    """Yield a dotted name, then the packages around it, from the inside out."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def is_inside(name: str, places: frozenset[str]) -> bool:
    return any(place in places for place in parents(name))


def place_of(name: str) -> tuple[int, str] | None:
    """Return floor and room of a module or of a name in it; None for what is not ours."""
    return next((ROOMS[place] for place in parents(name) if place in ROOMS), None)


def has_a_place(module: str) -> bool:
    """Say whether somebody placed the module; standing in `downloads` or `vnsite` is not enough."""
    return module in ROOMS or any(place in ROOMS for place in list(parents(module))[:-1])


@dataclass(frozen=True, kw_only=True)
class Module:
    """One source file, by its dotted name."""

    name: str
    tree: ast.Module
    is_package: bool = False

    def complaint(self, node: ast.AST, sentence: str) -> str:
        return f"{self.name}, line {getattr(node, 'lineno', '?')}: {sentence}"


def parse(name: str, source: str, *, is_package: bool = False) -> Module:
    return Module(name=name, tree=ast.parse(source), is_package=is_package)


def read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return parse(name, path.read_text(encoding="utf-8"), is_package=is_package)


def all_modules() -> list[Module]:
    return [read(path) for top in ("downloads", "vnsite") for path in (ROOT / top).rglob("*.py")]


def eager_nodes(module: Module, node: ast.AST | None = None) -> Iterator[ast.AST]:
    """Walk the module, leaving out what `LAZY` names."""
    for child in ast.iter_child_nodes(node or module.tree):
        if isinstance(child, ast.FunctionDef) and (module.name, child.name) in LAZY:
            continue
        if isinstance(child, ast.If) and (module.name, ast.unparse(child.test)) in LAZY:
            continue
        yield child
        yield from eager_nodes(module, child)


def imports(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield every import with its full dotted name: `from .a import b` in `p` is `p.a.b`."""
    for node in eager_nodes(module):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node, alias.name
            case ast.ImportFrom(names=names):
                base = origin(module, node)
                for alias in names:
                    yield node, f"{base}.{alias.name}"
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(
                func
            ).rpartition(".")[2] in {"import_module", "__import__"}:
                yield node, name


def origin(module: Module, node: ast.ImportFrom) -> str:
    """Return the absolute name that a `from … import` imports from."""
    if not node.level:
        return node.module or ""
    steps_up = node.level - (1 if module.is_package else 0)
    package = module.name.split(".")[: -steps_up or None]
    return ".".join([*package, node.module] if node.module else package)


def climbs(module: Module) -> Iterator[str]:
    """Yield imports of a higher floor, or of the other room on the same one."""
    here = place_of(module.name)
    assert here, f"{module.name} has no place in HOUSE"
    for node, target in imports(module):
        there = place_of(target)
        if there and there != here and there[0] >= here[0]:
            yield module.complaint(node, f"{here[1]} must not import {target} ({there[1]})")


def fence_jumps(module: Module) -> Iterator[str]:
    """Yield imports of a package that has a fence around it."""
    for node, target in imports(module):
        for fence in FENCES:
            allowed = is_inside(module.name, fence.inside) and module.name not in fence.but_not
            if is_inside(target, fence.packages) and not allowed:
                places = ", ".join(sorted(fence.inside))
                yield module.complaint(node, f"imports {target}, which belongs to {places}")


def impurities(module: Module) -> Iterator[str]:
    """Yield imports of Django below the rows."""
    if place_of(module.name) not in PURE:
        return
    for node, target in imports(module):
        if is_inside(target, frozenset({"django"})):
            yield module.complaint(node, f"is pure and must not import {target}")


def signals(module: Module) -> Iterator[str]:
    """Yield what sends a signal to a process, or hands on a function that does."""
    if module.name in MAY_SIGNAL:
        return
    for node, target in imports(module):
        if target in SIGNAL_FUNCTIONS:
            yield module.complaint(node, f"imports {target}: only fetch/client.py ends processes")
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute() if ast.unparse(node) in SIGNAL_FUNCTIONS:
                yield module.complaint(
                    node, f"{ast.unparse(node)}: only fetch/client.py ends processes"
                )
            case ast.Call(func=ast.Attribute(attr=method) as func) if (
                method in SIGNAL_METHODS and ast.unparse(func) not in SIGNAL_FUNCTIONS
            ):
                yield module.complaint(node, f".{method}(): only fetch/client.py ends processes")


def assigned(node: ast.AST) -> Iterator[ast.AST]:
    """Yield everything that a statement assigns to, through tuples and lists."""
    match node:
        case ast.Assign(targets=targets):
            for target in targets:
                yield from ast.walk(target)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from ast.walk(target)


def state_writes(module: Module) -> Iterator[str]:
    """Yield what looks like writing the state of a row.

    `self.state = …` is left alone: classes whose instances are rows stand in models/, and there
    it is allowed anyway.
    """
    if module.name in MAY_WRITE_STATE:
        return
    for node in ast.walk(module.tree):
        for target in assigned(node):
            match target:
                case ast.Attribute(value=owner, attr="state") if ast.unparse(owner) != "self":
                    yield module.complaint(
                        node, f"writes {ast.unparse(target)}: see models/download.py"
                    )
        match node:
            case ast.Call(func=ast.Attribute(attr=method), keywords=keywords) if (
                method in STATE_WRITERS and any(keyword.arg == "state" for keyword in keywords)
            ):
                yield module.complaint(
                    node, f"writes a state with {method}(): see models/download.py"
                )
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="state"), _]):
                yield module.complaint(
                    node, "writes a state with setattr(): see models/download.py"
                )


CHECKS: tuple[Callable[[Module], Iterator[str]], ...] = (
    climbs,
    fence_jumps,
    impurities,
    signals,
    state_writes,
)


# The house as it is.


def test_every_module_has_a_place() -> None:
    homeless = [module.name for module in all_modules() if not has_a_place(module.name)]

    assert not homeless, f"give each a room in HOUSE: {', '.join(sorted(homeless))}"


def test_every_place_has_a_module() -> None:
    there = {module.name for module in all_modules()} | {"downloads.DownloadManager"}

    gone = [
        name for name in ROOMS if name not in there and not ROOT.joinpath(*name.split(".")).is_dir()
    ]

    assert not gone, f"no longer there, remove from HOUSE: {', '.join(sorted(gone))}"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_module_breaks_a_rule(check: Callable[[Module], Iterator[str]]) -> None:
    placed = [module for module in all_modules() if has_a_place(module.name)]

    broken = [complaint for module in placed for complaint in check(module)]

    assert not broken, "\n" + "\n".join(broken)


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {module.name: module for module in all_modules()}
    graph = {
        name: {
            next((place for place in parents(target) if place in modules), name)
            for _, target in imports(module)
        }
        - {name}
        for name, module in modules.items()
    }

    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' ← '.join(error.args[1])}")

    assert set(order) >= set(modules)


# The checker, on sources that it must refuse and on sources that it must not.


@pytest.mark.parametrize(
    ("check", "name", "source"),
    [
        (climbs, "downloads.rules.states", "import downloads.models"),
        (climbs, "downloads.rules.states", "from downloads import models"),
        (climbs, "downloads.rules.states", "from .. import models"),
        (climbs, "downloads.rules.states", "from ..models import Download"),
        (climbs, "downloads.sandbox.guard", "from ..models import Download"),
        (
            climbs,
            "downloads.disk.library",
            "def late():\n    from downloads.worker import recovery",
        ),
        (climbs, "downloads.disk.library", "if TYPE_CHECKING:\n    from downloads import models"),
        (climbs, "downloads.disk.library", "import_module('downloads.models')"),
        (climbs, "downloads.models", "from downloads.actions import cancel"),
        (climbs, "downloads.models", "from vnsite import urls"),
        (climbs, "downloads.worker.worker", "from downloads.web.dashboard import dashboard"),
        (climbs, "downloads.web.dashboard", "from downloads.worker.recovery import recover"),
        (climbs, "downloads.web.dashboard", "from downloads import DownloadManager"),
        (climbs, "downloads.templatetags.durations", "from downloads.worker.worker import claim"),
        (climbs, "downloads.web.dashboard", "from downloads.management.commands import serve"),
        (climbs, "downloads", "from downloads.worker.worker import DownloadManager"),
        (climbs, "downloads", "def other():\n    from downloads.worker import manager"),
        (fence_jumps, "downloads.web.dashboard", "from channels.layers import get_channel_layer"),
        (fence_jumps, "downloads.worker.worker", "import twisted.internet.reactor"),
        (fence_jumps, "downloads.management.commands.serve", "import daphne.server"),
        (fence_jumps, "vnsite.settings", "import channels"),
        (fence_jumps, "downloads.sandbox.guard", "import yt_dlp"),
        (fence_jumps, "vnsite.server", "from yt_dlp import YoutubeDL"),
        (impurities, "downloads.sandbox.guard", "from django.conf import settings"),
        (impurities, "downloads.rules.states", "import django"),
        (impurities, "downloads", "def other():\n    import django"),
        (signals, "downloads.worker.worker", "os.kill(pid, 9)"),
        (signals, "downloads.worker.worker", "from os import killpg"),
        (signals, "downloads.worker.recovery", "each = partial(os.killpg, group)"),
        (signals, "downloads.worker.recovery", "signal.pidfd_send_signal(descriptor, 9)"),
        (signals, "vnsite.server", "process.terminate()"),
        (signals, "downloads.fetch.run", "self.process.kill()"),
        (signals, "downloads.worker.worker", "child.send_signal(signal.SIGINT)"),
        (state_writes, "downloads.worker.worker", "download.state = State.FAILED"),
        (state_writes, "downloads.worker.worker", "one, download.state = 1, State.FAILED"),
        (
            state_writes,
            "downloads.worker.recovery",
            "Download.objects.filter(pk=1).update(state='x')",
        ),
        (state_writes, "downloads.api.operations", "Download.objects.create(url=url, state='x')"),
        (state_writes, "downloads.admin.downloads", "setattr(download, 'state', 'cleaned')"),
    ],
)
def test_the_checker_refuses(
    check: Callable[[Module], Iterator[str]], name: str, source: str
) -> None:
    module = parse(name, source, is_package=name == "downloads")

    complaints = list(check(module))

    assert len(complaints) == 1, complaints
    assert complaints[0].startswith(f"{name}, line ")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            "downloads.standalone",
            "from downloads.rules.states import State\nfrom . import isolation",
        ),
        ("downloads.standalone", "item.state = State.READY"),
        ("downloads.fetch.run", "import yt_dlp\nfrom downloads.fetch import guard"),
        ("downloads.fetch.processes", "os.killpg(group, signal.SIGKILL)"),
        ("downloads.management.worker_keeper", "worker.terminate()"),
        ("downloads.management.commands.run", "from downloads import manager, recovery, views"),
        ("downloads.stream.consumer", "from channels.generic.http import AsyncHttpConsumer"),
        ("downloads.worker.worker", "from downloads import DownloadState\nimport django"),
        ("downloads.worker.worker", "state = download.state\nqueryset.filter(state=state)"),
        ("downloads.actions", "class NotAllowed:\n    def f(self):\n        self.state = 1"),
        ("downloads.models", "queryset.update(state=to)"),
        ("downloads", "def __getattr__(name):\n    from downloads.worker import manager"),
        (
            "downloads",
            "if TYPE_CHECKING:\n    from downloads.worker.worker import DownloadManager",
        ),
        ("vnsite.server", "from daphne.server import Server\nimport twisted"),
    ],
)
def test_the_checker_allows(name: str, source: str) -> None:
    module = parse(name, source, is_package=name == "downloads")

    assert [complaint for check in CHECKS for complaint in check(module)] == []


@pytest.mark.parametrize("name", ["downloads.stray", "vnsite.stray", "downloads.stray.deeper"])
def test_a_module_that_nobody_placed_is_noticed(name: str) -> None:
    assert not has_a_place(name)


# What really happens on import.


def loaded_by(code: str, data_dir: Path) -> set[str]:
    """Run code in a fresh Python with the site's settings; return the top packages it loaded."""
    report = "\nimport sys; print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "vnsite.settings",
        "VNSITE_DATA_DIR": str(data_dir),
    }
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_worker_side_imports_no_server(tmp_path: Path) -> None:
    code = (
        "import django; django.setup(); import downloads.worker.worker, downloads.worker.recovery"
    )

    loaded = loaded_by(code, tmp_path)

    assert "downloads" in loaded
    assert loaded.isdisjoint({"twisted", "daphne", "channels"})


def test_the_web_server_loads_neither_websockets_nor_tls(tmp_path: Path) -> None:
    loaded = loaded_by("import django; django.setup(); import vnsite.server", tmp_path)

    assert "twisted" in loaded
    assert loaded.isdisjoint({"autobahn", "cffi", "service_identity"})


def test_the_pages_load_no_yt_dlp(tmp_path: Path) -> None:
    loaded = loaded_by("import django; django.setup(); import vnsite.urls", tmp_path)

    assert "downloads" in loaded
    assert "yt_dlp" not in loaded


def test_the_first_page_does_not_load_the_api(tmp_path: Path) -> None:
    code = "import django; django.setup(); from django.urls import reverse; reverse('dashboard')"

    assert "ninja" not in loaded_by(code, tmp_path)


def test_importing_what_is_below_the_rows_imports_no_django(tmp_path: Path) -> None:
    pure = [
        module.name
        for module in all_modules()
        if has_a_place(module.name) and place_of(module.name) in PURE
    ]

    loaded = loaded_by(f"import {', '.join(pure)}", tmp_path)

    assert "downloads" in loaded
    assert "django" not in loaded
