"""A throw-away system machine as a host that ssh reaches: a real sshd on a port of the loopback.

Keys and configuration are its own: nothing below the caller's ~/.ssh is read or written, and the
machine's own sshd, if it has one, is left alone. Knows nothing of hlsswarm.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.system_machine import SystemMachine
from tests.support import wait_for

_START_SECONDS = 20.0
_DIRECTORY = "/root/ssh-host"
_SSHD = f"""
ListenAddress 127.0.0.1
HostKey {_DIRECTORY}/host_key
AuthorizedKeysFile {_DIRECTORY}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
"""


@dataclass(frozen=True)
class SshHost:
    """The machine, its address for ssh, and what has a command use the keys made for it."""

    machine: SystemMachine
    address: str
    environment: dict[str, str]


@contextlib.contextmanager
def ssh_host(directory: Path, port: int) -> Iterator[SshHost]:
    """A machine with an sshd on 127.0.0.1:`port`; `directory` takes the client's side."""
    for name in ("host_key", "client_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True
        )
    with SystemMachine() as machine:
        machine.run(["mkdir", "-m", "700", "-p", _DIRECTORY, "/run/sshd"], check=True)
        for name, text in {
            "host_key": (directory / "host_key").read_text(),
            "authorized_keys": (directory / "client_key.pub").read_text(),
            "sshd_config": f"Port {port}{_SSHD}",
        }.items():
            write = ["sh", "-c", f"umask 077; cat >{_DIRECTORY}/{name}"]
            machine.run(write, input=text, check=True)
        # Else sshd takes root for locked on machines without a password.
        machine.run(["usermod", "-p", "*", "root"], check=True)
        sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", f"{_DIRECTORY}/sshd_config"]
        machine.run(["systemd-run", "-q", "--unit=lab-sshd", *sshd], check=True)
        wait_for("sshd", lambda: _listens(port), timeout_seconds=_START_SECONDS)
        yield SshHost(machine, f"root@127.0.0.1:{port}", _environment(directory))


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _environment(directory: Path) -> dict[str, str]:
    """A PATH whose `ssh` is the machine's, with our configuration in front of the user's own."""
    config = directory / "ssh_config"
    config.write_text(
        f"IdentityFile {directory}/client_key\nIdentitiesOnly yes\nBatchMode yes\n"
        f"UserKnownHostsFile {directory}/known_hosts\nStrictHostKeyChecking accept-new\n"
        "LogLevel ERROR\n"
    )
    programs = directory / "bin"
    programs.mkdir()
    ssh = programs / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F "{config}" "$@"\n')
    ssh.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}
