"""The library's catalogue: a card for each entry, how cards are found, and how entries leave.

An app with rows of its own. `models`, `catalogue` and `search` are rows, `removal` is an action;
its pages are in `downloads.web`, its JSON is in `downloads.api`.
"""
