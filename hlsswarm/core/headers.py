"""HTTP headers of the clients, and how a secret in them stays one.

A secret header never goes into a command line: /proc/PID/cmdline and the unit's ExecStart are for
everybody to read. ffmpeg 5.1, 7.1 and 9.0 alike load no header from a file or the environment
(`-/headers FILE` is refused by all three), but the concat demuxer's script may set options for the
file that it names, `headers` among them (ffmpeg-formats(1), concat, `option`). A script has lines,
so a value has one line, so this carries exactly one header; ffmpeg adds its CR LF, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from hlsswarm.errors import UsageError

MASK = "***"
NO_TRAILING_CRLF = "No trailing CRLF found in HTTP header. Adding it."
"""What each client whose header comes from a script warns of once; it means nothing."""
ENVIRONMENT = "HLSSWARM_HEADERS"
"""Environment variable with secret headers, one a line, as in a header file."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110, 5.5
_FILE_MAX_CHARACTERS = 64 * 1024
# What libavformat/http.c sends by itself, and would send twice or wrongly.
_NOT_OURS = {
    "user-agent": "Use --user-agent.",
    "range": "ffmpeg asks for ranges itself.",
    "connection": "--measure decides on connections.",
    "content-length": "Clients send no bodies.",
    "transfer-encoding": "Clients send no bodies.",
}
_SECRET_WORD = (
    r"(?:token|secret|signature|passw(?:or)?d|credential|api[_.-]?key|access[_.-]?key|auth"
    r"|session|jwt|policy|hmac|hdnea|hdnts|hdntl|key-pair-id)"
)
_SECRET_NAME = re.compile(rf"{_SECRET_WORD}|cookie", re.IGNORECASE)
_SHORT_SECRETS = frozenset({"sig", "key", "pass", "pwd", "sid", "hash", "md5", "st", "code"})
_QUERY_VALUE = re.compile(r"([?&;])([^=&;#\s'\"]+)=([^&;#\s'\"]*)")
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s'\"]+@")
_HEADER_LINE = re.compile(
    rf"\b([A-Za-z0-9_-]*(?:{_SECRET_WORD}|cookie)[A-Za-z0-9_-]*:[ \t]*)[^\r\n'\"]+", re.IGNORECASE
)


@dataclass(frozen=True)
class Header:
    """One header; a secret one is shown nowhere."""

    name: str
    value: str = field(repr=False)
    secret: bool = False

    def __str__(self) -> str:
        """As it is sent, without the end of the line."""
        return f"{self.name}: {self.value}"

    @property
    def shown(self) -> str:
        """As we may print it."""
        hidden = self.secret or is_secret_name(self.name)
        return f"{self.name}: {MASK}" if hidden else redact(str(self))


NO_CACHE = (Header("Cache-Control", "no-cache"), Header("Pragma", "no-cache"))
"""`--no-cache`: caches on the way ask the origin again (RFC 9111, 5.2.1.4 and 5.4)."""


def parse_header(text: str, *, secret: bool = False, where: str = "--header") -> Header:
    """`Name: value`. Raises UsageError with a sentence that does not repeat the value."""
    name, colon, value = text.partition(":")
    hint = "A header looks like 'X-Name: value'."
    if not colon:
        raise UsageError(f"{where} lacks the colon between name and value.", hint=hint)
    if not _NAME.fullmatch(name):
        shown = name if name.isprintable() and len(name) <= 60 else ascii(name[:60])
        raise UsageError(f"{where}: {shown!r} cannot be the name of a header.", hint=hint)
    value = value.strip(" \t")
    if _FORBIDDEN_IN_VALUE.search(value):
        raise UsageError(
            f"{where}: the value of {name} holds a line end or another control character.",
            hint="One header at a time; a value is one line (RFC 9110, 5.5).",
        )
    if (reason := _NOT_OURS.get(name.lower())) is not None:
        raise UsageError(f"{where}: {name} cannot be set.", hint=reason)
    return Header(name, value, secret)


def parse_header_file(text: str, *, where: str = "--header-file") -> tuple[Header, ...]:
    """Secret headers, one a line; empty lines and lines that begin with # are passed over.

    Also for the text of the environment variable. Raises UsageError.
    """
    if len(text) > _FILE_MAX_CHARACTERS:
        raise UsageError(f"{where} is too long for headers.", hint="One 'Name: value' a line.")
    lines = [line.removesuffix("\r") for line in text.lstrip("\ufeff").split("\n")]
    return tuple(
        parse_header(line.strip(" \t"), secret=True, where=f"{where}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip(" \t") and not line.lstrip(" \t").startswith("#")
    )


def all_headers(given: Iterable[Header], *, no_cache: bool) -> tuple[Header, ...]:
    """The headers of a client: what was given, and --no-cache's where none of the same name was."""
    chosen = tuple(given)
    names = {header.name.lower() for header in chosen}
    added = NO_CACHE if no_cache else ()
    return (*chosen, *(header for header in added if header.name.lower() not in names))


def header_block(headers: Iterable[Header]) -> str:
    """The value of ffmpeg's `-headers`: each header with its line end."""
    return "".join(f"{header}\r\n" for header in headers)


def has_secret(headers: Iterable[Header]) -> bool:
    """Whether one of them has to be kept out of command lines."""
    return any(header.secret for header in headers)


def check_secrets(headers: Sequence[Header], *, in_command_line: bool) -> None:
    """Whether ffmpeg can be given these headers so that secrets stay secret. Raises UsageError.

    `in_command_line` is the user's consent to show them to whoever may list processes.
    """
    if has_secret(headers) and len(headers) > 1 and not in_command_line:
        raise UsageError(
            f"ffmpeg can be given one header out of sight, and these are {len(headers)}.",
            hint="Leave out --no-cache and --header beside a secret one, or allow that everybody "
            "on this machine can read them with --headers-in-command-line.",
        )


def input_script(url: str, options: Sequence[tuple[str, str]]) -> str:
    """A concat script that opens `url` with options that are then in no command line.

    Raises ValueError for a line end in a value.
    """
    if any(character in text for _, text in (("url", url), *options) for character in "\r\n\0"):
        raise ValueError("a value in a concat script is one line")
    lines = ["ffconcat version 1.0", f"file {_quoted(url)}"]
    lines += [f"option {name} {_quoted(value)}" for name, value in options]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A token as av_get_token() reads it (ffmpeg-utils(1), Quoting and escaping)."""
    return "'" + text.replace("'", "'\\''") + "'"


def is_secret_name(name: str) -> bool:
    """Whether a header or query parameter of this name is likely to hold a secret."""
    plain = unquote(name)
    return bool(_SECRET_NAME.search(plain)) or plain.lower() in _SHORT_SECRETS


def redact(text: str, headers: Iterable[Header] = ()) -> str:
    """`text` as we may print, log or keep it: without user names and passwords in URLs, values of
    query parameters and headers that look like secrets, and the values of secret `headers`.
    """
    for header in headers:
        if header.secret and header.value:
            text = text.replace(header.value, MASK)
    text = _USER_INFO.sub(f"{MASK}@", text)
    text = _HEADER_LINE.sub(rf"\1{MASK}", text)
    return _QUERY_VALUE.sub(
        lambda found: (
            f"{found[1]}{found[2]}={MASK}" if is_secret_name(found[2]) and found[3] else found[0]
        ),
        text,
    )


def redact_command(command: Sequence[str], headers: Iterable[Header] = ()) -> tuple[str, ...]:
    """A command line as --print-cmd may show it."""
    known = tuple(headers)
    return tuple(redact(word, known) for word in command)
