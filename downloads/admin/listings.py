"""The admin's pages of listings, their entries, and the archive."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from downloads.admin.read_only import NothingToEdit, NothingToWrite
from downloads.admin.words import CODES, CodesInWords
from downloads.models import ArchivedMedia, Entry, Listing


@admin.register(Listing)
class ListingAdmin(NothingToWrite, admin.ModelAdmin):
    """The lists that were read. One goes with the download that read it."""

    list_display = ("title", "what", "count", "is_complete", "download")
    list_filter = (("kind", CodesInWords), "is_complete")
    list_select_related = ("download",)
    search_fields = ("title", "download__correlation_id")
    search_help_text = gettext_lazy("Title or correlation id")
    ordering = ("-download",)

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def what(self, listing: Listing) -> str:
        return str(CODES[listing.kind])


@admin.register(Entry)
class EntryAdmin(NothingToWrite, admin.ModelAdmin):
    list_display = ("title", "listing", "position", "extractor", "media_id", "is_list", "download")
    list_filter = ("is_list", "is_live")
    list_select_related = ("listing", "download")
    search_fields = ("title", "url", "=media_id", "=listing__download__correlation_id")
    search_help_text = gettext_lazy("Title, URL, the site's id, or the correlation id of the list")
    ordering = ("-listing", "position")
    show_full_result_count = False


@admin.register(ArchivedMedia)
class ArchivedMediaAdmin(NothingToEdit, admin.ModelAdmin):
    """The videos that users have or had. Deleting one makes it new again in their lists."""

    list_display = ("media_id", "extractor", "owner", "added_at")
    list_filter = ("added_at",)
    list_select_related = ("owner",)
    search_fields = ("=media_id", "extractor", "owner__username")
    search_help_text = gettext_lazy("The site's id (all of it), extractor or user")
    ordering = ("-pk",)
    show_full_result_count = False
