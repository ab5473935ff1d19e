"""What makes two links the same video: the extractor and the site's id.

Imports nothing of Django or of this project.
"""

import hashlib

from downloads.rules.archive import MAX_EXTRACTOR_LENGTH, MAX_MEDIA_ID_LENGTH

GENERIC = "generic"
# They read pages of any site, and make an id of the last part of the address: "video" is many.
OF_ANY_SITE = frozenset({GENERIC, "html5mediaembed"})


def media_id_of(extractor: str, site_id: str, *, link: str) -> tuple[str, str]:
    """Return (extractor, media id) of a video; ("", "") when its site has no id for it.

    `extractor` is yt-dlp's key in any case. A video of a page that no extractor knows is named by
    its link: "generic" and the link's hash, because a link may hold a secret.
    """
    extractor = extractor.lower()
    if extractor in OF_ANY_SITE:
        return GENERIC, hashlib.sha256(link.encode()).hexdigest()
    is_known = 0 < len(extractor) <= MAX_EXTRACTOR_LENGTH
    is_known = is_known and 0 < len(site_id) <= MAX_MEDIA_ID_LENGTH and site_id.isprintable()
    return (extractor, site_id) if is_known else ("", "")
