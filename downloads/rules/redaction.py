"""Makes foreign text safe to log, store and print: redacts secrets, escapes control characters.

Pure. Called where such a text leaves its source: in the child, in the log formatter, before an
error is stored, and by commands before they print.
"""

import re
import unicodedata

REDACTED = "[redacted]"
# A site can send a line of any length: the part that is kept, and the part that is examined.
MAX_LINE_LENGTH = 1000
MAX_LOOKED_AT = 8 * MAX_LINE_LENGTH

# Secret as a whole word of a name: `X-Amz-Signature`, `api_key`.
_SECRET_WORD = re.compile(
    r"auth|bearer|credentials?|hash|hdnea|hdntl|hdnts|keys?|lsig|otp|pass|passphrase|policy|pot|pwd"
    r"|sess|sid|sigs?|sign|ticket"
)
# Secret anywhere in a name: `accesstoken`, `JSESSIONID`, `urlsignature`.
_SECRET_PART = re.compile(
    r"apikey|accesskey|secretkey|auth(?!or|enti)|authori[sz]|cookie|credential|hmac|jwt|passw"
    r"|secret|sessid|session|signature|token"
)
_SECRET_FAMILIES = ("x-amz-", "x-goog-")
_WORD_ENDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")

# A URL inside the query of another one is percent-encoded, once (%2F) or twice (%252F).
_USER_INFO = re.compile(
    r"(//|%(?:25)*2F%(?:25)*2F)(?:(?!%(?:25)*2F)[^\s/?#&\"'<>\\])*(@|%(?:25)*40)", re.IGNORECASE
)
_ASSIGNED = re.compile(
    r"(?:%(?:25)*[0-9A-F]{2})?(?P<name>[\w.\-]{1,64})(?:\[\w*\])?(?:=|%(?:25)*3D)\\?[\"']?",
    re.IGNORECASE,
)
_VALUE = re.compile(r"(?:(?!%(?:25)*(?:26|23))[^\s&#\"'<>\\])+", re.IGNORECASE)
# Entries of dictionaries and pairs in Python or JSON: 'Cookie': '…', ["token", "…"].
_QUOTED = re.compile(
    r"(?P<before>(?P<mark>\\?[\"'])(?P<name>[\w.\-]{1,64})(?P=mark)\s*[:,=]\s*)"
    r"(?:b?(?P<open>\\?[\"'])(?P<value>.*?)(?P=open)|(?P<bare>[\w.\-]+))"
)
_HEADER = re.compile(
    r"(\b(?:proxy-authorization|authorization|set-cookie2?|cookie|x-api-key)\s*[:=]\s*)[^\n]+",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"((?:api[ _\-]?key|pass(?:word|wd|phrase)|secret|token)\s*:\s*)"
    r"(?!\[redacted\])(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(
    r"\b(bearer\s+(?=\S{8})|basic\s+(?=[a-z0-9+/]*[0-9=]))[\w.~+/=\-]{6,}", re.IGNORECASE
)
_KNOWN_BY_THEIR_LOOKS = re.compile(
    r"\beyJ[\w\-]{8,}\.[\w\-]+(?:\.[\w\-]*)?"  # a JSON Web Token
    r"|\bvnsite_[\w\-]{20,}"  # a token of our own API
    r"|(?<=/feeds/)[\w\-]{32}(?=[./])"  # in the address of a podcast feed
)


def is_secret(name: str) -> bool:
    """Whether a parameter, header or field of this name holds a secret."""
    lowered = name.lower()
    return (
        lowered.startswith(_SECRET_FAMILIES)
        or _SECRET_PART.search(re.sub(r"[^a-z]", "", lowered)) is not None
        or any(map(_SECRET_WORD.fullmatch, map(str.lower, _WORD_ENDS.split(name))))
    )


def redact(text: str) -> str:
    """Replace user-info, cookies, credentials and the values of secret names by `[redacted]`.

    Idempotent. A secret whose name does not say that it is one is not recognised.
    """
    text = _USER_INFO.sub(rf"\1{REDACTED}\2", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _QUOTED.sub(_without_quoted_value, text)
    text = _without_assigned_values(text)
    text = _TOLD.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1{REDACTED}", text)
    return _KNOWN_BY_THEIR_LOOKS.sub(REDACTED, text)


def escape(text: str, *, keep: str = "") -> str:
    r"""Escape control, format and other invisible characters (`\x1b`, `\n`, `\u202e`).

    Spaces of all kinds and the characters in `keep` are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(each if each in keep else _escaped(each) for each in text)


def safe_line(text: str) -> str:
    """Redact and escape a text into one line of at most MAX_LINE_LENGTH characters."""
    # Redact before cutting: half of a user-info is no longer recognised.
    safe_text = escape(redact(text[:MAX_LOOKED_AT].strip()))
    return (
        safe_text if len(safe_text) <= MAX_LINE_LENGTH else f"{safe_text[: MAX_LINE_LENGTH - 1]}…"
    )


def safe_text(text: str) -> str:
    """Redact and escape an error's text; its line ends stay."""
    return escape(redact(text), keep="\n")


def _without_quoted_value(match: re.Match[str]) -> str:
    if not is_secret(match["name"]):
        return match[0]
    mark = match["open"] or ""
    return f"{match['before']}{mark}{REDACTED}{mark}"


def _without_assigned_values(text: str) -> str:
    """Redact `name=value` pairs. The search goes on right after a harmless name: its value may be a
    URL with a query of its own."""
    if "=" not in text and "%" not in text:
        return text  # most lines: to look at each name takes ten times as long as all else here
    parts, end = [], 0
    for match in _ASSIGNED.finditer(text):
        if match.start() < end or not is_secret(match["name"]):
            continue
        if value := _VALUE.match(text, match.end()):
            parts += [text[end : match.end()], REDACTED]
            end = value.end()
    return "".join([*parts, text[end:]])


def _escaped(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")
