"""Subscriptions: links that are read again and again, whose new entries become downloads.

`models` are the rows, `checks` makes the checks and ends them, the rest are the pages.
"""
