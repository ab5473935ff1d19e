"""Dates as the rest of the site writes them, with seconds and the time zone."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = r"Y-m-d H:i:s \U\T\C"
NUMBER_GROUPING = 3
