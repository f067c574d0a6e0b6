"""Which ends of processes were the kernel's out-of-memory killer. Pure.

On cgroup v2 systemd says so (`Result=oom-kill`, from memory.events). On v1 it says `signal`, and
the counter of the unit's own cgroup is gone with the cgroup by the time anybody can look. What
stays is `oom_kill` in /proc/vmstat, which counts every such kill on the machine, of a cgroup or
not (Documentation/admin-guide/cgroup-v1/memory.rst; proc_vmstat(5)): each of them explains one
end by SIGKILL at about that time.

Where this can be wrong: a client that somebody kills with SIGKILL within KEEP_SECONDS of an
out-of-memory kill elsewhere on the machine is taken for one that ran out of memory.
"""

from __future__ import annotations

import signal
from collections import deque
from dataclasses import dataclass, field

from hlsswarm.core.exits import CLD_DUMPED, CLD_KILLED

KEEP_SECONDS = 5.0
"""How long a kill waits for an end that it explains: looking into an end may take seconds."""


@dataclass
class OomLedger:
    """The kernel's kills that no end of a process has been explained by yet.

    `counted` is the counter when the run began, or None where there is none.
    """

    counted: int | None
    _open: deque[float] = field(default_factory=deque)
    """When each unclaimed kill was seen, in seconds of the loop's clock."""

    def seen(self, count: int | None, now: float) -> None:
        """The counter is `count` now."""
        if count is not None and self.counted is not None:
            self._open.extend([now] * max(0, count - self.counted))
        self.counted = count
        while self._open and now - self._open[0] > KEEP_SECONDS:
            self._open.popleft()

    def claim(self) -> bool:
        """Whether there is a kill that explains an end by SIGKILL; it explains no other then."""
        if not self._open:
            return False
        self._open.popleft()
        return True


def may_be_oom(code: int, status: int) -> bool:
    """Whether a process (ExecMainCode, ExecMainStatus) ended as one that ran out of memory does."""
    return code in {CLD_KILLED, CLD_DUMPED} and status == signal.SIGKILL
