"""The admin's pages of listings, their entries, and the archive."""

from django.contrib import admin

from downloads.admin.read_only import NothingToEdit, NothingToWrite
from downloads.models import ArchivedMedia, Entry, Listing


@admin.register(Listing)
class ListingAdmin(NothingToWrite, admin.ModelAdmin):
    """The lists that were read. One goes with the download that read it."""

    list_display = ("title", "kind", "count", "is_complete", "download")
    list_filter = ("kind", "is_complete")
    list_select_related = ("download",)
    search_fields = ("title", "download__correlation_id")
    search_help_text = "Title or correlation id"
    ordering = ("-download",)


@admin.register(Entry)
class EntryAdmin(NothingToWrite, admin.ModelAdmin):
    list_display = ("title", "listing", "position", "extractor", "media_id", "is_list", "download")
    list_filter = ("is_list", "is_live")
    list_select_related = ("listing", "download")
    search_fields = ("title", "url", "=media_id", "=listing__download__correlation_id")
    search_help_text = "Title, URL, the site's id, or the correlation id of the list"
    ordering = ("-listing", "position")
    show_full_result_count = False


@admin.register(ArchivedMedia)
class ArchivedMediaAdmin(NothingToEdit, admin.ModelAdmin):
    """The videos that users have or had. Deleting one makes it new again in their lists."""

    list_display = ("media_id", "extractor", "owner", "added_at")
    list_filter = ("added_at",)
    list_select_related = ("owner",)
    search_fields = ("=media_id", "extractor", "owner__username")
    search_help_text = "The site's id (all of it), extractor or user"
    ordering = ("-pk",)
    show_full_result_count = False
