"""Private directories that an embedded systemd makes in /tmp and /var/tmp, and leaves there.

systemd makes `systemd-private-BOOT-UNIT-XXXXXX` for a unit with PrivateTmp= (systemd.exec(5)), and
has a thread remove it after the unit's end, which does not get to it where the manager exits or is
killed then. BOOT is the id of the boot: an embedded manager is shown one of its own, by which all
that it has left can be told.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TOPS = (Path("/tmp"), Path("/var/tmp"))


def boot_id(directory: Path) -> uuid.UUID:
    """The boot id for the manager of this directory: always the same."""
    return uuid.UUID(bytes=hashlib.sha256(os.fsencode(directory)).digest()[:16], version=4)


def remove_private(directory: Path) -> None:
    """Remove what the manager of this directory has left; root's own alone, and links never."""
    for top in _TOPS:
        for path in top.glob(f"systemd-private-{boot_id(directory).hex}-*"):
            with contextlib.suppress(OSError):
                if path.lstat().st_uid == 0:
                    shutil.rmtree(path)
