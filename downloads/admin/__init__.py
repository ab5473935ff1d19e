"""The Django admin. Importing this package registers its pages."""

from downloads.admin import downloads, others

__all__ = ["downloads", "others"]
