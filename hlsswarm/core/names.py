"""Names of units and slices: the one place that knows how they are built.

    hlsswarm.slice
      hlsswarm-RUN.slice
        hlsswarm-RUN-clients.slice   hlsswarm-RUN-client-0001.service …
        hlsswarm-RUN-origin.slice    hlsswarm-RUN-encoder-NAME.service, hlsswarm-RUN-nginx.service
        hlsswarm-RUN-PART.slice      hlsswarm-RUN-ROLE[-MEMBER].service

systemd.slice(5): a dash in a slice's name is a level of the tree, so a run's name has none.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

ROOT_SLICE = "hlsswarm.slice"
"""Slice above all runs."""
UNIT_PATTERN = "hlsswarm*"
"""Glob that matches every unit of ours, and nobody else's."""

RUN_ID_HELP = "1 to 16 characters of a-z and 0-9"
_RUN_ID = re.compile(r"[a-z0-9]{1,16}")
ROLES = (
    "client",
    "encoder",
    "nginx",
    "fault",  # a fault of a test origin, for as long as it lasts
    "helper",  # serves what nginx cannot do by its configuration
    "transcoder",
    "runner",  # watches a ladder's sources
    "publisher",
    "rtsp",  # the RTSP server
    "consumer",
    "controller",  # keeps a rig
)
"""What a service of ours can be, in the order in which people are told of them."""
PARTS = ("clients", "origin", "encoders", "ladder", "publishers", "consumers", "control")
"""The slices within a run."""
_MEMBER = re.compile(
    r"hlsswarm-(?P<run>[a-z0-9]{1,16})"
    rf"-(?P<role>{'|'.join(ROLES)})(?:-(?P<rest>[A-Za-z0-9_.][A-Za-z0-9_.-]*))?\.service"
)
_SLICE = re.compile(r"hlsswarm-(?P<run>[a-z0-9]{1,16})(?:-(?P<part>\w+))?\.slice")


def is_run_id(text: str) -> bool:
    """Whether `text` may name a run."""
    return _RUN_ID.fullmatch(text) is not None


def new_run_id(rng: random.Random) -> str:
    """A short run id: a letter and five more characters, 36**5 * 26 of them."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return rng.choice(letters) + "".join(rng.choices(letters + "0123456789", k=5))


@dataclass(frozen=True)
class UnitName:
    """A unit of ours taken apart: `run`, `role` (one of ROLES), `member` (may be empty)."""

    run: str
    role: str
    member: str


def run_slice(run: str) -> str:
    """Slice of one run; stopping it stops the run."""
    return f"hlsswarm-{run}.slice"


def part_slice(run: str, part: str) -> str:
    """Slice of a part of a run; `part` is one of PARTS."""
    return f"hlsswarm-{run}-{part}.slice"


def clients_slice(run: str) -> str:
    """Slice of a run's clients."""
    return part_slice(run, "clients")


def origin_slice(run: str) -> str:
    """Slice of a run's test origin."""
    return part_slice(run, "origin")


def client_unit(run: str, number: int) -> str:
    """Unit of client `number`, counted from 1."""
    return f"hlsswarm-{run}-client-{number:04d}.service"


def service_unit(run: str, role: str, member: str = "") -> str:
    """Unit of a service: `role` is one of ROLES, `member` tells those of one role apart."""
    return f"hlsswarm-{run}-{role}{f'-{member}' if member else ''}.service"


def encoder_unit(run: str, name: str) -> str:
    """Unit of the encoder `name`."""
    return service_unit(run, "encoder", name)


def nginx_unit(run: str) -> str:
    """Unit of a run's web server."""
    return service_unit(run, "nginx")


def log_file(unit: str) -> str:
    """Name of the file, in the run's directory, that a service's stderr goes to.

    Raises ValueError for a unit that is not ours.
    """
    parsed = parse_unit(unit)
    if parsed is None:
        raise ValueError(f"{unit!r} is no unit of ours")
    return f"{parsed.role}{f'-{parsed.member}' if parsed.member else ''}.log"


def run_pattern(run: str) -> str:
    """Glob over the services of one run."""
    return f"hlsswarm-{run}-*.service"


def parse_unit(name: str) -> UnitName | None:
    """The parts of a service name of ours; None for any other unit."""
    match = _MEMBER.fullmatch(name)
    if match is None:
        return None
    return UnitName(match["run"], match["role"], match["rest"] or "")


def unit_of(text: str) -> str:
    """The unit that somebody means: a unit's own name, RUN, RUN/PART (one of PARTS), or RUN/MEMBER
    such as `a1b2c3/client-7` or `origin8080/nginx`. Raises ValueError.
    """
    if text == ROOT_SLICE or parse_unit(text) or _SLICE.fullmatch(text):
        return text
    run, slash, rest = text.partition("/")
    if not is_run_id(run):
        raise ValueError(f"{text!r} names no unit")
    if not slash:
        return run_slice(run)
    if rest in PARTS:
        return part_slice(run, rest)
    if number := re.fullmatch(r"client-(\d{1,8})", rest):
        return client_unit(run, int(number[1]))
    unit = f"hlsswarm-{run}-{rest}.service"
    if parse_unit(unit) is None:
        raise ValueError(f"{text!r} names no unit")
    return unit


def run_of_slice(name: str) -> str | None:
    """The run that a slice of ours belongs to, when it is a run's own (top) slice."""
    match = _SLICE.fullmatch(name)
    if match is None or match["part"] is not None:
        return None
    return match["run"]
