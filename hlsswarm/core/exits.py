"""How a process ended, as a label for counting and in words.

ffmpeg uses exit statuses above 128 of its own (145 on a refused connection), so a status says
nothing of signals: systemd's ExecMainCode does (waitid(2): 1 exited, 2 killed, 3 dumped).
"""

from __future__ import annotations

import signal

OOM_KILL = "oom-kill"
"""systemd's Result of a service that ran out of memory, and our label of such an end."""
CLD_EXITED, CLD_KILLED, CLD_DUMPED = 1, 2, 3

# Statuses of systemd's own, before the program has run (systemd.exec(5), PROCESS EXIT CODES).
_SYSTEMD_STATUSES = {
    200: "systemd could not change to the working directory (200/CHDIR)",
    203: "the program could not be executed (203/EXEC)",
    217: "the user does not exist (217/USER)",
    222: "nobody took in its messages (222/STDERR)",
    226: "systemd could not make its namespace (226/NAMESPACE)",
}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_label(code: int, status: int, *, result: str = "") -> str:
    """A label for counting: `0`, `145`, `SIGKILL`, or `unknown` when systemd could not tell;
    `oom-kill` where `result`, systemd's Result of the service, is that.
    """
    if result == OOM_KILL:
        return OOM_KILL
    if code == CLD_EXITED:
        return str(status)
    if code in {CLD_KILLED, CLD_DUMPED}:
        return _signal_name(status)
    return "unknown"


def explain_exit(code: int, status: int, *, result: str = "") -> str:
    """The end of a process in words; `result` is systemd's Result of the service."""
    if result == OOM_KILL:
        return "was killed: out of memory"
    if code == CLD_EXITED:
        if status in _SYSTEMD_STATUSES:
            return _SYSTEMD_STATUSES[status]
        return "ended by itself (status 0)" if status == 0 else f"exited with status {status}"
    if code in {CLD_KILLED, CLD_DUMPED}:
        return f"was killed by {_signal_name(status)}"
    return "ended"


def is_our_side(code: int, status: int) -> bool:
    """Whether the process never became ffmpeg: systemd failed to run it."""
    return code == CLD_EXITED and status in _SYSTEMD_STATUSES
