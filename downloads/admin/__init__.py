"""The Django admin. Importing this package registers its pages."""

from downloads.admin import downloads, listings, others

__all__ = ["downloads", "listings", "others"]
