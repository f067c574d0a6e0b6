"""The names that a script may use, with the types that the NixOS test driver gives them.

A script runs on both drivers, so it may know no more than this: tests/lab/test_vm_scripts.py puts
these names before each script and has `ty` check it, as NixOS does; our own Machine is held
against them by mypy. Knows nothing else.

Source: the NixOS manual, "Machine objects".
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.lab.vm_machine import Machine


class NixosMachine(Protocol):
    """What our scripts use of NixOS's machines."""

    name: str

    def start(self) -> None:
        """Boot, if it does not run."""

    def shutdown(self) -> None:
        """Power off in good order."""

    def crash(self) -> None:
        """The power goes off."""

    def execute(
        self, command: str, check_return: bool = True, *, timeout: int | None = 900
    ) -> tuple[int, str]:
        """Exit status and output."""

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        """Their output; an error when one fails."""

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        """Their output; an error when one does not fail."""

    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str:
        """Its output when it succeeded."""

    def wait_until_fails(self, command: str, timeout: int = 900) -> str:
        """Its output when it failed."""

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = 900) -> None:
        """Until it is active."""

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: int = 900) -> None:
        """Until somebody listens."""

    def wait_for_file(self, filename: str, timeout: int = 900) -> None:
        """Until it is there."""

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        """Of `systemctl Q`."""

    def log(self, msg: str) -> None:
        """A line in the test's log."""


class StartAll(Protocol):
    """Boot all machines."""

    def __call__(self) -> None:
        """Do it."""


class Subtest(Protocol):
    """A part of a script."""

    def __call__(self, name: str) -> AbstractContextManager[None]:
        """While it lasts."""


if TYPE_CHECKING:

    def _ours(machine: Machine) -> NixosMachine:
        return machine
