"""Dates with seconds and the time zone, numbers as the browser's Intl writes them in Spanish."""

DATE_FORMAT = SHORT_DATE_FORMAT = "d/m/Y"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = r"d/m/Y H:i:s \U\T\C"
DECIMAL_SEPARATOR = ","
THOUSAND_SEPARATOR = "."
NUMBER_GROUPING = 3
