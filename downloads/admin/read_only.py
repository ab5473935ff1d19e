"""What every page of the admin that shows rows and changes none has in common."""

from django.db.models import Model
from django.http import HttpRequest


class NothingToWrite:
    """Look only: no add, no change, no delete, whatever the permissions say."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
