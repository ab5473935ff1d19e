"""The set of extractors that downloads use, and how a newer one comes from the package index.

A set is yt-dlp, its scripts and, when the installed one is too old, its JavaScript runtime: one
folder below `$VNSITE_DATA_DIR/extractors`. No Django here, and yt-dlp is not imported: a set is
tried in a fork server (`downloads.fetch.trial`).
"""
