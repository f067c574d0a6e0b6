"""Both images, built of Debian's packages and run: the main job, and how they end.

Origin and swarm share the machine's network, as containers of one pod do. The figures of such a
small run are nobody's: what is looked at is that it works, and what is left.
"""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.containers.engine import IMAGE, SYSTEMD_IMAGE, Engine, built_images, cgroups_of
from tests.support import free_port, processes_with, wait_for

PREFLIGHT = 106
WALLED = ("--read-only", "--security-opt=no-new-privileges", "--cap-add=SYS_ADMIN,SYS_PTRACE")
"""What docs/containers.md asks for, and what it recommends."""
NON_ROOT = ("--read-only", "--user=65534:65534", "--cap-drop=all")
SMALL = ("--set=720p.width=320", "--set=720p.height=180", "--set=720p.video_bitrate_kbps=200")
PODS, CLIENTS = 2, 5


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with built_images() as made:
        yield made


class Origin:
    """An origin in a container."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.port = free_port()
        variable = f"--env=HLSSWARM_PORT={self.port}"
        words = ("run", "--detach", *WALLED, variable, IMAGE, "origin", "run", *SMALL)
        self.identity = engine.done(*words).out.strip()
        wait_for(
            "the origin",
            lambda: engine("exec", self.identity, "health").status == 0,
            timeout_seconds=60,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.m3u8"


@pytest.fixture(scope="module")
def origin(engine: Engine) -> Origin:
    return Origin(engine)


def test_what_the_image_says_of_itself(engine: Engine) -> None:
    (image,) = json.loads(engine.done("image", "inspect", IMAGE).out)
    assert image["Config"]["StopSignal"] == "SIGTERM"
    assert image["Config"]["Entrypoint"] == ["/usr/local/bin/entrypoint"]
    assert image["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/health"]
    assert image["Size"] < 500e6
    (image,) = json.loads(engine.done("image", "inspect", SYSTEMD_IMAGE).out)
    assert image["Config"]["StopSignal"] == "SIGRTMIN+3"
    assert image["Config"]["Cmd"] == ["/sbin/init"]


def test_each_pod_runs_its_share_and_a_report_puts_them_together(
    engine: Engine, origin: Origin, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)

    def pod(index: int) -> str:
        environment = {
            "JOB_COMPLETION_INDEX": str(index),
            "JOB_COMPLETIONS": str(PODS),
            "HLSSWARM_URL": origin.url,
            "HLSSWARM_CLIENTS": str(CLIENTS),
            "HLSSWARM_DURATION": "5s",
            "HLSSWARM_METRICS": f"127.0.0.1:{free_port()}",
            "HLSSWARM_OUT": f"/results/{index}",
        }
        given = [f"--env={name}={value}" for name, value in environment.items()]
        volume = f"--volume={tmp_path}:/results"
        return engine.done("run", "--rm", *WALLED, *given, volume, IMAGE, "run").out

    with ThreadPoolExecutor(PODS) as pods:
        texts = list(pods.map(pod, range(PODS)))
    for text in texts:
        assert "Verdict: healthy" in text
        # Everything a host has: users, file systems and limits of their own.
        assert "a user of their own" not in text
        assert "limits" not in text.partition("Stream:")[0]
        assert "(minimal)" in text
    report = engine.done(
        *("run", "--rm", *NON_ROOT, f"--volume={tmp_path}:/results:ro", IMAGE, "report"),
        *(f"/results/{index}" for index in range(PODS)),
    )
    assert f"{CLIENTS} of {CLIENTS} started, {CLIENTS} streamed" in report.out


def test_an_origin_ends_within_the_grace_period_and_leaves_nothing(
    engine: Engine, origin: Origin
) -> None:
    pid = engine.done("inspect", origin.identity, "--format={{.State.Pid}}").out.strip()
    assert Path(f"/proc/{pid}").exists()
    engine.done("stop", origin.identity)
    # 137 would be the engine's SIGKILL after ten seconds.
    status = engine.done("inspect", origin.identity, "--format={{.State.ExitCode}}").out.strip()
    assert status == "0"
    assert "Everything is stopped." in engine.done("logs", origin.identity).out
    engine.done("rm", origin.identity)
    assert not Path(f"/proc/{pid}").exists()
    assert processes_with(f"HLSSWARM_PORT={origin.port}", f":{origin.port}/") == []
    assert cgroups_of(origin.identity) == []


def test_what_is_missing_is_one_sentence(engine: Engine) -> None:
    words = ("run", "--skip-preflight", "--metrics=off", "http://127.0.0.1:1/")
    bare = engine("run", "--rm", "--read-only", IMAGE, *words)
    assert bare.status == PREFLIGHT
    assert bare.sentence.startswith("The embedded manager lacks the capability SYS_ADMIN")
    assert "--cap-add=SYS_ADMIN,SYS_PTRACE" in bare.err
    other = engine("run", "--rm", *WALLED, "--entrypoint=hlsswarm", IMAGE, *words)
    assert other.status == PREFLIGHT
    assert other.sentence.startswith("The embedded manager needs cgroups of its own")
    systemd = engine("run", "--rm", "--systemd=false", SYSTEMD_IMAGE)
    assert systemd.status == PREFLIGHT
    assert systemd.sentence.startswith("systemd needs a cgroup tree that it may write")


def test_a_rig_with_systemd_as_the_first_process_needs_no_privilege(
    engine: Engine, tmp_path: Path
) -> None:
    port, metrics = free_port(), free_port()
    url = f"http://127.0.0.1:{port}/stream.m3u8"
    file = tmp_path / "hlsswarm.toml"
    changes = [word.removeprefix("--set=") for word in SMALL]
    rig = (
        f'[metrics]\nlisten = "127.0.0.1:{metrics}"\n'
        f'[[origin]]\nname = "main"\nport = {port}\nset = {json.dumps(changes)}\n'
        f'[[swarm]]\nname = "watch"\nurl = "{url}"\nclients = '
    )
    file.write_text(f"{rig}2\n")
    identity = engine.done(
        *("run", "--detach", "--tty", "--read-only", "--systemd=always"),
        *(f"--volume={tmp_path}:/etc/hlsswarm:ro", SYSTEMD_IMAGE),
    ).out.strip()

    def plays(clients: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return False
        series = rf'^hlsswarm_clients\{{.*state="streaming".*\}} {clients}\.0$'
        return bool(re.search(series, text, re.MULTILINE))

    wait_for("the rig's clients", lambda: plays(2), timeout_seconds=60)
    # As an editor does it: another file by the same name, which a mounted file would not become.
    replaced = tmp_path / "new"
    replaced.write_text(f"{rig}3\n")
    replaced.rename(file)
    engine.done("exec", identity, "systemctl", "reload", "hlsswarm")
    wait_for("one client more", lambda: plays(3), timeout_seconds=60)
    words = ("run", "--clients=2", "--duration=4s", "--metrics=off", url)
    run = engine.done("exec", identity, "hlsswarm", *words)
    assert "(system manager)" in run.out
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        # cgroup v1: systemd has its own tree here and no controllers, which is told.
        assert "Without: enforced memory, " in run.out
    assert "Verdict: healthy" in run.out
    state = engine("exec", identity, "systemctl", "is-system-running")
    assert state.out.strip() == "running"
    engine.done("stop", identity)
    status = engine.done("inspect", identity, "--format={{.State.ExitCode}}").out.strip()
    assert status == "0"
    engine.done("rm", "--volumes", identity)
    assert processes_with(f":{port}/") == []
    assert cgroups_of(identity) == []
