"""Encrypts what is stored and must not be read from the database alone.

Pure: AES-256-GCM with a key that is derived (HKDF-SHA256) from the site's secret key. Its library
is loaded when it is first used: most sites seal nothing.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1
PURPOSE = b"vnsite: sealed columns, 1"


class Unreadable(Exception):
    """Sealed with another secret key, for another place, or changed since."""


def seal(text: str, *, secret_key: str, place: str) -> bytes:
    """Encrypt a text. `place` names the row that it belongs to; in any other it is unreadable."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(secret_key).encrypt(nonce, text.encode(), place.encode())


def unseal(sealed: bytes, *, secret_key: str, place: str) -> str:
    """Decrypt what `seal` made. Raises Unreadable."""
    from cryptography.exceptions import InvalidTag

    nonce, encrypted = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _cipher(secret_key).decrypt(nonce, encrypted, place.encode()).decode()
    except (InvalidTag, ValueError):  # ValueError: it is too short to be sealed
        raise Unreadable from None


def _cipher(secret_key: str) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return AESGCM(derived.derive(secret_key.encode()))
