"""Looks at the network namespaces of a plan before clients are put into them. Enters none."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

from hlsswarm.errors import PreflightError

_NS_GET_NSTYPE, _CLONE_NEWNET = 0xB703, 0x40000000  # ioctl_ns(2), clone(2)


def check_namespaces(paths: Iterable[str]) -> None:
    """Raise PreflightError for what is no network namespace, or one that cannot be opened."""
    for path in paths:
        hint = f"ip netns add {path.rpartition('/')[2]}"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise PreflightError(
                f"The network namespace {path} cannot be opened: {error.strerror}.", hint=hint
            ) from None
        try:
            is_one = fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
        except OSError:
            is_one = False
        finally:
            os.close(descriptor)
        if not is_one:
            raise PreflightError(f"{path} is no network namespace.", hint=hint)


def check_manager_enters(kind: str) -> None:
    """Raise PreflightError for a manager without the right to put units into namespaces."""
    if kind == "user":
        raise PreflightError(
            "A user's systemd cannot put clients into network namespaces.",
            hint="Use --manager system or embedded, as root.",
        )
