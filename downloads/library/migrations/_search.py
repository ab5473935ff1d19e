"""The index of the library's search: see `downloads.migrations._search`."""

from downloads.migrations._search import TrigramIndex

CARDS = TrigramIndex(
    name="library_search",
    table="library_card",
    key="entry_id",
    columns=("title", "uploader", "description", "subtitles"),
)
