"""Loads the extractor plugins that the administrator named, from installed packages, and no others.

yt-dlp itself would load whatever lies in its configuration folders and on the path. As a program
(`python -m downloads.fetch.plugins NAME…`) it says what is wrong with the names, and ends with 1.
"""

import importlib
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from yt_dlp.extractor import import_extractors
from yt_dlp.globals import extractors, plugin_ies
from yt_dlp.plugins import PACKAGE_NAME, PluginFinder, get_regular_classes

PLACE = f"{PACKAGE_NAME}.extractor"


class PluginFailed(Exception):
    """A plugin that was named is missing or broken. The message says which, and why."""


def load(names: Iterable[str]) -> None:
    """Load plugins into this process; yt-dlp asks their extractors before its own.

    A name is that of a module of `yt_dlp_plugins.extractor`, or of an installed package that has
    some. Call it before a YoutubeDL is made. Raises PluginFailed.
    """
    # It would find plugins in folders of the user and the system, too.
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, PluginFinder)]
    modules = [module for name in names for module in modules_of(name)]
    if not modules:
        return
    classes: dict[str, Any] = {}
    for module in modules:
        classes |= _extractors_of(module)
    import_extractors()
    plugin_ies.value = classes
    extractors.value = {**classes, **_without(classes)}


def modules_of(name: str) -> list[str]:
    """Return the modules that a name stands for. Raises PluginFailed."""
    if name.startswith(f"{PLACE}."):
        return [name]
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        raise PluginFailed(f"{name}: no package of this name is installed") from None
    folder = tuple(PLACE.split("."))
    found = {file.parts[2].removesuffix(".py") for file in files if file.parts[:2] == folder}
    modules = [f"{PLACE}.{part}" for part in sorted(found) if part.isidentifier()]
    public = [module for module in modules if not module.startswith(f"{PLACE}._")]
    if not public:
        raise PluginFailed(f"{name}: the package has no plugin for extractors")
    return public


def is_of_plugin(module: str) -> bool:
    return module.startswith(f"{PACKAGE_NAME}.")


def _extractors_of(name: str) -> dict[str, Any]:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # it is somebody else's code
        raise PluginFailed(f"{name}: {type(error).__name__}: {error}") from error
    return dict(get_regular_classes(module, name, "IE"))


def _without(classes: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in extractors.value.items() if name not in classes}


def main() -> int:
    try:
        load(sys.argv[1:])
    except PluginFailed as fault:
        sys.stdout.write(f"{fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
