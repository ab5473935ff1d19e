"""What pages of the admin that show rows have in common."""

from django.db.models import Model
from django.http import HttpRequest


class NothingToEdit:
    """No add and no change, whatever the permissions say."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class NothingToWrite(NothingToEdit):
    """No delete either."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
