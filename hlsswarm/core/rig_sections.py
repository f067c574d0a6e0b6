"""Which tables a rig's file has, and which settings stand in each: no setting is described here.

    [metrics] [api] [limits]                                  one of each
    [[origin]] [[encoder]] [[ladder]] [[publisher]] [[swarm]] any number, each with a name

The rows are those of the commands' own tables, so a setting that is added there is a key here.
What an item of a section is made of them (`made`) is what its command works with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hlsswarm.core import names
from hlsswarm.core.encoder_options import RUN as ENCODERS_RUN
from hlsswarm.core.encoder_options import encoder_options
from hlsswarm.core.encoder_settings import ENCODER_SETTINGS
from hlsswarm.core.inputs import parse_input
from hlsswarm.core.kinds import BOOLEAN, Kind, described, reads
from hlsswarm.core.ladder_settings import LADDER_SETTINGS
from hlsswarm.core.limit_settings import SWARM_KINDS, limit_setting
from hlsswarm.core.managers import MANAGER_KINDS
from hlsswarm.core.origin_options import origin_options
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS
from hlsswarm.core.plan import CLIENTS_MAX, Address, parse_address
from hlsswarm.core.plan_settings import plan_of
from hlsswarm.core.preview import check_name as check_encoder_name
from hlsswarm.core.publish_settings import PUBLISH_SETTINGS, STREAM_SETTINGS
from hlsswarm.core.setting import Setting, one_of, switch
from hlsswarm.core.settings import RUN_SETTINGS, http_url
from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.errors import UsageError

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A table of the file. `array`: there may be several ([[name]]), each with a name."""

    name: str
    help: str
    settings: tuple[Setting, ...]
    array: bool = True
    needs: str = ""
    """The setting that an item must have unless it is disabled."""
    check_name: Callable[[str], str] = str
    made: Callable[[str, Values], Any] = lambda _, values: values
    """What the item's command works with. Raises UsageError."""
    run_of: Callable[[str, Values], str] = lambda name, _: name
    """The run (slice) that the item is; encoders share one."""

    @property
    def rows(self) -> tuple[Setting, ...]:
        """Every key of the table."""
        return (NAME, ENABLED, *self.settings) if self.array else self.settings


def _run_name(name: str) -> str:
    if not names.is_run_id(name):
        raise UsageError(f"{name!r} cannot name a run.", hint=f"Use {names.RUN_ID_HELP}.")
    return name


@reads(Kind("address", pattern=r"off|[^\s]*:[0-9]{1,5}", example="127.0.0.1:9180"))
def _address(text: str) -> Address | None:
    return None if text == "off" else parse_address(text)


@reads(Kind("input", may_hide_secret=True, example="lavfi:testsrc2"))
def _input(text: str) -> str:
    """As it is given; a file's path begins at the root, as a service has no directory of yours."""
    path = parse_input(text, directory=Path("/")).path
    plain = text.removeprefix("file:").removeprefix("//")
    if path is not None and not plain.startswith("/") and ":" not in plain.split("/")[0]:
        raise UsageError(f"The input {text!r} is no absolute path.", hint="Begin it with /.")
    return text


@reads(Kind("profile", pattern=rf"{'|'.join(PROFILES)}|/[^\u0000]+", example="default"))
def _profile(text: str) -> str:
    """A shipped one's name, or the absolute path of a TOML file."""
    if text not in PROFILES and not text.startswith("/"):
        raise UsageError(
            f"There is no profile {text!r}.",
            hint=f"There is: {', '.join(PROFILES)}; a file's path begins with /.",
        )
    return text


NAME: Final = Setting(
    "name",
    "item",
    "its name, by which it is told, steered and known after a reload",
    str,
    None,
    "NAME",
)
ENABLED: Final = Setting(
    "enabled",
    "item",
    "false: it is checked but does not run",
    described(switch, types=(BOOLEAN,), choices=()),
    True,
    "true|false",
    "true or false",
)
MANAGER: Final = Setting(
    "manager", "rig", "which systemd: auto, system, user or embedded",
    one_of(*MANAGER_KINDS), "auto", "KIND", f"one of {', '.join(MANAGER_KINDS)}",
)  # fmt: skip
_URL: Final = Setting(
    "url", "swarm", "the playlist's URL (http or https)",
    http_url, None, "URL", "a URL such as http://127.0.0.1:8080/stream.m3u8",
)  # fmt: skip
_INPUT: Final = Setting(
    "input", "input", "lavfi:GRAPH, a file (looped), a URL or a device, as of `encoder --input`",
    _input, None, "SPEC",
)  # fmt: skip
_MEDIA: Final = Setting(
    "media", "output", "write DIR/NAME/stream.m3u8, and leave it there when it is stopped",
    Path, None, "DIR",
)  # fmt: skip
_PUSH_URL: Final = Setting(
    "url", "publishers", "where to: rtsp://HOST[:PORT]/[PATH], rtmp://HOST/APP, srt://HOST:PORT",
    described(
        str, "url", pattern=r"(rtsps?|rtmps?|srt)://[^\s]+", may_hide_secret=True,
        example="rtsp://127.0.0.1:8554/",
    ),
    None, "URL", "a URL such as rtsp://127.0.0.1:8554/",
)  # fmt: skip


def _without(rows: Iterable[Setting], *left_out: str) -> tuple[Setting, ...]:
    return tuple(row for row in rows if row.name not in left_out)


def _shared(group: str, *wanted: str) -> tuple[Setting, ...]:
    return tuple(replace(row, group=group) for row in RUN_SETTINGS if row.name in wanted)


def _defaults(rows: Iterable[Setting]) -> dict[str, Any]:
    return {row.key: row.default_value for row in rows}


_OF_A_SERVICE: Mapping[str, Callable[[str], Any]] = {
    "profile": _profile,
    "serve": described(Path, "directory", pattern=r"media|/[^\u0000]*", example="media"),
}
"""How values of an origin are read that a command takes from its working directory."""
_OF_A_RUN = _defaults(RUN_SETTINGS)
_OF_ONE_RUN = (
    *("run-id", "manager", "metrics", "per-client-metrics", "summary-interval"),
    *("nginx-metrics", "origin-metrics", "fault", "json", "out", "start-at"),
    # A swarm that is kept waits for its stream for good.
    "wait-for-stream",
)
"""What has its place in a run that ends, and none in a swarm that is kept."""
_OF_A_REPORT = (
    *("duration", "report-interval", "json"),
    *("max-streams", "max-memory-percent", "max-cpu-percent"),
)
"""What `publish` does while it is there, and nobody does for publishers that are kept."""


def _of_one_machine(row: Setting) -> Setting:
    if row.name != "clients":
        return row
    return replace(row, parse=described(row.parse, maximum=CLIENTS_MAX))


def _plan(name: str, values: Values) -> Any:
    """A swarm's Plan; its name is the run's, and its figures are on the rig's metrics page."""
    every = {**_OF_A_RUN, **values, "run_id": name, "metrics": None}
    return plan_of(every, headers=every["header"])


_METRICS = Section(
    "metrics",
    "Where Prometheus finds the figures of all that runs.",
    (
        Setting(
            "listen",
            "metrics",
            "address, or off",
            _address,
            "127.0.0.1:9090",
            "HOST:PORT",
            "HOST:PORT, or off",
        ),
    ),
    array=False,
)
_API = Section(
    "api",
    "Where the rig is steered from.",
    (
        Setting(
            "socket", "api", "unix socket (default: in the runtime directory)", Path, None, "FILE"
        ),
        Setting(
            "listen",
            "api",
            "TCP address, or off; it needs a token",
            _address,
            "off",
            "HOST:PORT",
            "HOST:PORT, or off",
        ),
        Setting(
            "token-file",
            "api",
            "file with the token that callers over TCP must have",
            Path,
            None,
            "FILE",
        ),
        Setting("tls-cert", "api", "certificate chain (PEM) for TCP", Path, None, "FILE"),
        Setting("tls-key", "api", "key of the certificate (PEM)", Path, None, "FILE"),
    ),
    array=False,
)
_LIMITS = Section(
    "limits",
    "Limits of all that the rig runs together.",
    tuple(limit_setting(kind, "the whole rig") for kind in SWARM_KINDS),
    array=False,
)
SINGLE: Final = (_METRICS, _API, _LIMITS)
"""Tables of which there is one."""

ITEMS: Final = (
    Section(
        "origin", "Test origins: an encoder and a web server each.",
        (
            *(replace(row, parse=_OF_A_SERVICE.get(row.name, row.parse))
              for row in ORIGIN_SETTINGS),
            *_shared("origin", "ffmpeg"),
        ),
        made=lambda _, values: origin_options({"manager": "auto", **values}),
        run_of=lambda _, values: f"origin{values['port']}",
    ),
    Section(
        "encoder", "Preview encoders: any input as live HLS.",
        (_INPUT, _MEDIA, *ENCODER_SETTINGS, *_shared("programs", "ffmpeg")),
        needs="input",
        check_name=check_encoder_name,
        made=lambda name, values: encoder_options(name, {"manager": "auto", **values}, wait=False),
        run_of=lambda *_: ENCODERS_RUN,
    ),
    Section(
        "ladder", "ABR ladders: renditions of what encoders make.",
        (*_without(LADDER_SETTINGS, "name", "manager"), *_shared("programs", "ffmpeg")),
        check_name=_run_name,
    ),
    Section(
        "publisher", "Publishers: streams pushed to an RTSP, SRT or RTMP server.",
        (_PUSH_URL, *_without(PUBLISH_SETTINGS, *_OF_A_REPORT), *STREAM_SETTINGS,
         *_shared("programs", "ffmpeg")),
        needs="url",
        check_name=_run_name,
    ),
    Section(
        "swarm", "Swarms: clients of one stream.",
        (_URL, *map(_of_one_machine, _without(RUN_SETTINGS, *_OF_ONE_RUN))),
        needs="url",
        check_name=_run_name,
        made=_plan,
    ),
)  # fmt: skip
"""Tables of which there may be several, in the order in which they are started."""
BY_NAME: Final[Mapping[str, Section]] = {each.name: each for each in (*SINGLE, *ITEMS)}
"""Every table by its name."""
