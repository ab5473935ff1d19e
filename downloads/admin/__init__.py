"""The Django admin. Importing this package registers its pages."""

from downloads.admin import downloads

__all__ = ["downloads"]
