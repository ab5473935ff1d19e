"""What staff may set for a site: ranges, and how its proxy is shown without its password. Pure."""

import re

from downloads.rules.links import InvalidLink, clean_url, site_of
from downloads.rules.proxies import Proxy

LEAST_RATE, MOST_RATE = 1024, 2**40  # bytes per second
MOST_RUNNING = 10_000
MAX_PROXY_LENGTH = 500
MAX_HOST_LENGTH = 300
USER_INFO = re.compile(r"//.*@")


def is_site(host: str) -> bool:
    """Return whether a text is how downloads name a site: a clean host, with a port or not."""
    try:
        return len(host) <= MAX_HOST_LENGTH and site_of(clean_url(f"http://{host}/")) == host
    except InvalidLink:
        return False


def shown_proxy(url: str) -> str:
    """Return a proxy's URL with … in the place of user and password."""
    return USER_INFO.sub("//…@", url)


def meant_proxy(text: str, *, stored: str) -> str:
    """Return the URL that is meant; "": none. What `shown_proxy` made of `stored` means that.

    Raises InvalidProxy.
    """
    text = text.strip()
    if text == shown_proxy(stored):
        return stored
    return Proxy.parse(text).url if text else ""
