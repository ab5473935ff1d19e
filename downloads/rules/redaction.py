"""What may be told of a text that was made elsewhere: no secrets, nothing that steers a terminal.

Pure. Applied where such a text leaves the place where it was made: a line of a log, an error that
becomes a stored detail, what the child says, what a command prints.
"""

import re
import unicodedata

REDACTED = "[redacted]"
# Of a line that a site can make as long as it likes: what is kept of it, and what is looked at.
MAX_LINE_LENGTH = 1000
MAX_LOOKED_AT = 8 * MAX_LINE_LENGTH

# As one word of a name, whatever stands before and after it: `X-Amz-Signature`, `api_key`.
_SECRET_WORD = re.compile(
    r"auth|bearer|credentials?|hash|hdnea|hdntl|hdnts|keys?|lsig|otp|pass|passphrase|policy|pot|pwd"
    r"|sess|sid|sigs?|sign|ticket"
)
# Anywhere in a name: `accesstoken`, `JSESSIONID`, `urlsignature`.
_SECRET_PART = re.compile(
    r"apikey|accesskey|secretkey|auth(?!or|enti)|authori[sz]|cookie|credential|hmac|jwt|passw"
    r"|secret|sessid|session|signature|token"
)
_SECRET_FAMILIES = ("x-amz-", "x-goog-")
_WORD_ENDS = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")

# A URL within the query of another one is written with %2F, %3D and so on, or %252F, %253D.
_USER_INFO = re.compile(
    r"(//|%(?:25)*2F%(?:25)*2F)(?:(?!%(?:25)*2F)[^\s/?#&\"'<>\\])*(@|%(?:25)*40)", re.IGNORECASE
)
_ASSIGNED = re.compile(
    r"(?:%(?:25)*[0-9A-F]{2})?(?P<name>[\w.\-]{1,64})(?:\[\w*\])?(?:=|%(?:25)*3D)\\?[\"']?",
    re.IGNORECASE,
)
_VALUE = re.compile(r"(?:(?!%(?:25)*(?:26|23))[^\s&#\"'<>\\])+", re.IGNORECASE)
# Of a dictionary or a list of pairs, as Python and JSON write them: 'Cookie': '…', ["token", "…"].
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
)


def is_secret(name: str) -> bool:
    """Whether the value of a parameter, header or field of this name is nobody else's business."""
    lowered = name.lower()
    return (
        lowered.startswith(_SECRET_FAMILIES)
        or _SECRET_PART.search(re.sub(r"[^a-z]", "", lowered)) is not None
        or any(map(_SECRET_WORD.fullmatch, map(str.lower, _WORD_ENDS.split(name))))
    )


def redact(text: str) -> str:
    """The text without user-info, cookies, credentials, and the values of secret names.

    Redacting twice is redacting once. A secret without a name that says so is not recognised.
    """
    text = _USER_INFO.sub(rf"\1{REDACTED}\2", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _QUOTED.sub(_without_quoted_value, text)
    text = _without_assigned_values(text)
    text = _TOLD.sub(rf"\1{REDACTED}", text)
    text = _SCHEME.sub(rf"\1{REDACTED}", text)
    return _KNOWN_BY_THEIR_LOOKS.sub(REDACTED, text)


def escape(text: str, *, keep: str = "") -> str:
    r"""The text with everything escaped (`\x1b`, `\n`, `\u202e`) that is not seen or moves others.

    `keep`: characters that stay as they are. Spaces of all kinds do.
    """
    if text.isprintable():
        return text
    return "".join(each if each in keep else _escaped(each) for each in text)


def safe_line(text: str) -> str:
    """One line that may be shown and stored, of at most MAX_LINE_LENGTH characters."""
    # Redacted before it is cut: of half a user-info nobody can tell what it is.
    safe_text = escape(redact(text[:MAX_LOOKED_AT].strip()))
    return (
        safe_text if len(safe_text) <= MAX_LINE_LENGTH else f"{safe_text[: MAX_LINE_LENGTH - 1]}…"
    )


def safe_text(text: str) -> str:
    """What is stored and shown of an error: redacted, in its lines."""
    return escape(redact(text), keep="\n")


def _without_quoted_value(match: re.Match[str]) -> str:
    if not is_secret(match["name"]):
        return match[0]
    mark = match["open"] or ""
    return f"{match['before']}{mark}{REDACTED}{mark}"


def _without_assigned_values(text: str) -> str:
    """Goes on right behind a name that is not secret: its value may be a URL with a query."""
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
