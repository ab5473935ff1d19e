"""The JSON API under `/api/v1`."""

from downloads.api.sharing import share_models

share_models()  # before a module of this package makes an operation
