#!/usr/bin/env python
"""vnsite's commands. `manage.py help` lists them."""

import os
import sys
from typing import NoReturn


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vnsite.settings")
    import django
    from django.core.management import execute_from_command_line

    from vnsite import modes
    from vnsite.config import ConfigError, load_config

    try:
        config = load_config()
        closed = modes.apply(config)
        config.read_secret_key()
    except ConfigError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"VNSITE_DATA_DIR: {error.filename} cannot be written ({error.strerror}).")
    if closed:
        django.setup()  # configures logging
        modes.report(closed)
    execute_from_command_line(sys.argv)


def refuse(sentence: str) -> NoReturn:
    """End with 1; with 2, its code for a failure, when `doctor` was asked."""
    print(sentence, file=sys.stderr)  # noqa: T201
    sys.exit(2 if sys.argv[1:2] == ["doctor"] else 1)


if __name__ == "__main__":
    main()
