"""The kinds of manager there are, without what it takes to open one."""

from __future__ import annotations

import re

MANAGER_KINDS = ("auto", "system", "user", "embedded")
REMOTE_PREFIX = "ssh:"
"""Before a host whose system manager is reached by ssh."""

_HOST = re.compile(r"(?:[\w.][\w.-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*(?::[0-9]{1,5})?", re.ASCII)


def remote_host(kind: str) -> str | None:
    """The host of a manager `ssh:[USER@]HOST[:PORT]`; None of one on this machine.

    Raises ValueError for what names no host: ssh must not take it for an option of its own.
    """
    if not kind.startswith(REMOTE_PREFIX):
        return None
    host = kind.removeprefix(REMOTE_PREFIX)
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host")
    return host
