#!/usr/bin/env python
"""vnsite's commands. `manage.py help` lists them."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vnsite.settings")
    from django.core.management import execute_from_command_line

    from vnsite.config import ConfigError, load_config

    try:
        load_config().read_secret_key()
    except ConfigError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"VNSITE_DATA_DIR: {error.filename} cannot be written ({error.strerror}).")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
