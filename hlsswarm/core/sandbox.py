"""What a unit's processes may do: named profiles, as unit properties. Opens no bus.

    profile   runs                       user          writes
    client    ffmpeg that plays          one of its own nothing
    encoder   ffmpeg that encodes        the manager's named directories
    server    nginx                      the manager's named directories
    none      our own small programs     the manager's whatever it may

A profile is made of parts, because managers differ in what they can: `user` (a dynamic user),
`mounts` (a file system of its own), `capabilities`, `seccomp`; `processes` (others are hidden)
comes with `mounts`, on most managers. units.sandbox_probe finds out which work. Level `basic`
leaves out what a start pays most for: `user` and `mounts`.

The members are chosen by what they cost at each start, measured (docs/security.md). Left out for
that: ProtectKernelTunables (a third of all; ProcSubset=pid hides what it protects) and
PrivateDevices (DevicePolicy does it, and leaves no directory in /tmp when a start is cut off).

Sources: systemd.exec(5), systemd.resource-control(5), capabilities(7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from hlsswarm.core.unit_specs import Property

Profile = Literal["client", "encoder", "server", "none"]
Level = Literal["strict", "basic", "off"]
LEVELS: tuple[Level, ...] = get_args(Level)
Part = Literal["user", "mounts", "processes", "capabilities", "seccomp"]
ALL_PARTS: frozenset[Part] = frozenset(get_args(Part))
BASIC_PARTS: frozenset[Part] = frozenset({"capabilities", "seccomp"})
CANDIDATES: tuple[frozenset[Part], ...] = (
    frozenset({"user", "mounts", "capabilities", "seccomp"}),
    frozenset({"mounts", "capabilities", "seccomp"}),
    frozenset({"mounts", "seccomp"}),
    BASIC_PARTS,
    frozenset({"seccomp"}),
)
"""Sets of parts to be tried on a manager, the best first. A user's own manager has no right to
capabilities or other users, and to mounts only in a user namespace."""
PART_WORDS: dict[Part, str] = {
    "user": "a user of their own for clients",
    "mounts": "a file system of their own for what it runs",
    "processes": "hiding of other processes",
    "capabilities": "bounds of capabilities",
    "seccomp": "filters of system calls",
}

CLIENT_USER = "hlsswarm-client"
"""Clients' common user. systemd makes it up (DynamicUser=) unless the machine has it."""
HIDDEN_DIRECTORIES = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What a profile with `mounts` shows an empty directory for."""

_EPERM = 1
_BIND_RECURSIVE = 16384  # MS_REC: mounts below come along
# capabilities(7). nginx as root: gives its workers another user, reaches their files and them,
# binds low ports and raises the limit of open files.
_CHOWN, _DAC_OVERRIDE, _DAC_READ_SEARCH, _KILL, _SETGID, _SETUID = 0, 1, 2, 5, 6, 7
_NET_BIND_SERVICE, _SYS_RESOURCE = 10, 24
_SERVER_CAPABILITIES = (
    *(_CHOWN, _DAC_OVERRIDE, _KILL, _SETGID, _SETUID),
    *(_NET_BIND_SERVICE, _SYS_RESOURCE),
)


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A profile, and the exceptions that one unit needs. Paths are absolute.

    `readable` and `writable` are shown where the profile hides or locks them; what is not there at
    the start is passed over. `devices` are device files: with one, a unit sees them all and may use
    those, and memory may be writable and executable, as drivers of graphics cards make it.
    """

    profile: Profile = "none"
    level: Level = "strict"
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    own_user: bool = True
    """Whether a client has a user of its own; else it is the manager's, without its powers."""
    reads_others: bool = False
    """Whether root is to read files of other users, such as an input in somebody's home."""

    def parts(self, able: Iterable[str]) -> frozenset[Part]:
        """The parts that are wanted, of those that the manager is able to."""
        if self.profile == "none" or self.level == "off":
            return frozenset()
        wanted = ALL_PARTS if self.level == "strict" else BASIC_PARTS
        if self.level == "basic" and _is_unprivileged(able):
            wanted -= {"capabilities"}  # which it has the right to in a user namespace alone
        if self.profile != "client" or not self.own_user:
            wanted -= {"user"}
        return wanted & frozenset(able)

    def properties(self, able: Iterable[str]) -> tuple[Property, ...]:
        """As systemd has it, for a manager that is able to these parts."""
        parts = self.parts(able)
        result: list[Property] = []
        if "seccomp" in parts:
            result += self._seccomp()
        if "capabilities" in parts:
            result += self._capabilities()
        if "mounts" in parts:
            result += self._mounts(in_user_namespace=_is_unprivileged(able))
        if "user" in parts:
            result += [Property("DynamicUser", "b", True), Property("User", "s", CLIENT_USER)]
        return tuple(result)

    def _seccomp(self) -> list[Property]:
        families = ["AF_INET", "AF_INET6"]
        if self.profile != "client":  # whose stderr is connected before: it needs no other socket
            families.append("AF_UNIX")
        if self.devices:
            families.append("AF_NETLINK")  # libudev's
        names = ["LockPersonality", "ProtectHostname"]
        names += ["RestrictRealtime", "RestrictSUIDSGID"]
        if not self.devices:
            names.append("MemoryDenyWriteExecute")
        result = [
            *_switches("NoNewPrivileges", *names),
            Property("RestrictAddressFamilies", "(bas)", (True, families)),
            Property("RestrictNamespaces", "t", 0),
            Property("SystemCallArchitectures", "as", ["native"]),
            # An error is an answer; the default is SIGSYS.
            Property("SystemCallErrorNumber", "i", _EPERM),
            Property("SystemCallFilter", "(bas)", (True, ["@system-service"])),
        ]
        if self.profile == "client":
            no = ["@privileged", "@resources"]
        else:
            # nginx changes users, and encoders their priority.
            no = ["@clock", "@module", "@mount", "@raw-io", "@reboot", "@swap"]
        return [*result, Property("SystemCallFilter", "(bas)", (False, no))]

    def _capabilities(self) -> list[Property]:
        kept: tuple[int, ...] = ()
        if self.profile == "server":
            kept = _SERVER_CAPABILITIES
        elif self.reads_others:
            kept = (_DAC_READ_SEARCH,)
        return [
            Property("CapabilityBoundingSet", "t", sum(1 << number for number in kept)),
            Property("AmbientCapabilities", "t", 0),
            *_switches("ProtectClock"),  # takes capabilities away, too
        ]

    def _mounts(self, *, in_user_namespace: bool) -> list[Property]:
        result = [
            Property("ProtectSystem", "s", "strict"),
            Property("ProtectHome", "s", "tmpfs"),
            Property("ProtectProc", "s", "invisible"),
            *_switches("PrivateMounts", "PrivateTmp", "ProtectControlGroups"),
            *_switches("ProtectKernelModules"),
            Property("UMask", "u", 0o077 if self.profile == "client" else 0o022),
        ]
        if not self.devices:  # drivers look into /proc/driver, /sys and /dev
            result.append(Property("ProcSubset", "s", "pid"))
        if self.profile == "client" or in_user_namespace:
            result += _switches("PrivateUsers")
        if self.profile == "client":
            result += _switches("RemoveIPC")
        if not in_user_namespace:
            allowed = [(str(path), "rw") for path in self.devices]
            result.append(Property("DevicePolicy", "s", "closed"))
            result += [Property("DeviceAllow", "a(ss)", allowed)] if allowed else []
        for name, paths in (("BindReadOnlyPaths", self.readable), ("BindPaths", self.writable)):
            binds = [(str(path), str(path), True, _BIND_RECURSIVE) for path in paths]
            if binds:
                result.append(Property(name, "a(ssbt)", binds))
        return result


UNWALLED = Sandbox()
"""What a unit has that nobody has said anything of."""


def lacking(able: Iterable[str]) -> tuple[str, ...]:
    """What the profiles do without on a manager that is able to these parts, in words."""
    return tuple(words for part, words in PART_WORDS.items() if part not in frozenset(able))


def shown_for_program(program: Path) -> tuple[Path, ...]:
    """What a unit has to be shown so that a program in a hidden directory runs; often nothing.

    The directory it lies in, or for one in a `bin` all that was installed beside it.
    """
    top = hidden_below(program)
    if top is None:
        return ()
    directory = program.parent
    if directory.name in {"bin", "sbin"} and len(directory.parent.parts) > len(top.parts) + 1:
        directory = directory.parent
    return (directory,) if len(directory.parts) > len(top.parts) else (program,)


def hidden_below(path: Path) -> PurePosixPath | None:
    """The hidden directory that a path lies in, if any."""
    tops = map(PurePosixPath, HIDDEN_DIRECTORIES)
    return next((top for top in tops if path.is_relative_to(top)), None)


def _is_unprivileged(able: Iterable[str]) -> bool:
    """Whether a manager has its rights in user namespaces alone: a user's own."""
    return "user" not in frozenset(able)


def _switches(*names: str) -> list[Property]:
    return [Property(name, "b", True) for name in names]
