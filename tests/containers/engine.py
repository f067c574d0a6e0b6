"""Images built and run for real, with an engine whose storage, state and cgroups are a directory.

Knows buildah and podman on a machine without an engine's daemon, registry or nested overlays: vfs
storage, runc, chroot isolation. The base image is made by mmdebstrap, so that no registry is asked.
Knows nothing of what hlsswarm does in a container.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.ffmpeg_minimal.debian import machines_mirror, machines_suite
from tests.lab.vm_image import bootstrap_words, key_of, requirements
from tests.support import REPOSITORY

CACHE = REPOSITORY / ".cache" / "containers"
FFMPEG_CACHE = REPOSITORY / ".cache" / "hlsswarm"
"""That of tests/ffmpeg_minimal: whoever comes first builds it."""
IMAGE, SYSTEMD_IMAGE = "localhost/hlsswarm", "localhost/hlsswarm-systemd"
_BASE = "localhost/debian"
_BASE_PACKAGES = ("ca-certificates",)
_BUILD_TIMEOUT_SECONDS = 1200.0
_STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{root}/storage"
runroot = "{root}/run"
"""
_CONTAINERS = """\
[containers]
netns = "host"
log_driver = "k8s-file"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
static_dir = "{root}/libpod"
tmp_dir = "{root}/tmp"
volume_path = "{root}/volumes"
"""


@dataclass(frozen=True)
class Ended:
    """A command of the engine, or of a container, that has ended."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The first line that hlsswarm itself wrote to stderr: the engine warns there as well."""
        lines = [line for line in self.err.splitlines() if line.startswith("hlsswarm: ")]
        return lines[0].removeprefix("hlsswarm: ") if lines else ""


class Engine:
    """podman and buildah on storage of their own below `root`."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self._root = root
        for name, text in (("storage.conf", _STORAGE), ("containers.conf", _CONTAINERS)):
            (root / name).write_text(text.format(root=root))
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("HLSSWARM_")},
            "CONTAINERS_STORAGE_CONF": str(root / "storage.conf"),
            "CONTAINERS_CONF": str(root / "containers.conf"),
        }

    def __call__(self, *words: str, timeout_seconds: float = 120.0) -> Ended:
        """Run `podman WORDS…`."""
        return self._run(["podman", *words], timeout_seconds)

    def done(self, *words: str, timeout_seconds: float = 120.0) -> Ended:
        """Run `podman WORDS…`, which has to succeed."""
        ended = self(*words, timeout_seconds=timeout_seconds)
        assert ended.status == 0, f"podman {words}: {ended.out[-3000:]}\n{ended.err[-3000:]}"
        return ended

    def build(self, image: str, containerfile: str, *options: str) -> None:
        """Build an image of the repository."""
        words = ["buildah", "bud", "--isolation=chroot", "--format=docker", f"--tag={image}"]
        file = str(REPOSITORY / "containers" / containerfile)
        built = self._run([*words, *options, f"--file={file}", str(REPOSITORY)],
                          _BUILD_TIMEOUT_SECONDS)  # fmt: skip
        assert built.status == 0, f"{built.out[-3000:]}\n{built.err[-3000:]}"

    def _run(self, words: Sequence[str], timeout_seconds: float) -> Ended:
        done = subprocess.run(
            words,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_seconds,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        """End and remove every container and image, and all that the engine keeps."""
        self("rm", "--all", "--force", "--time=0")
        shutil.rmtree(self._root, ignore_errors=True)
        for parent in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
            for directory, _, _ in os.walk(parent, topdown=False):
                with contextlib.suppress(OSError):  # one of another engine's
                    Path(directory).rmdir()


def cgroups_of(identity: str) -> list[Path]:
    """The cgroups of a container that are left."""
    return list(Path("/sys/fs/cgroup").glob(f"**/libpod*{identity}*"))


@contextlib.contextmanager
def built_images() -> Iterator[Engine]:
    """An engine that has both images, built of the source as it is now; removed afterwards."""
    CACHE.mkdir(parents=True, exist_ok=True)
    FFMPEG_CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # for all of it: two would fill a small disk
        shutil.rmtree(CACHE / "engine", ignore_errors=True)
        engine = Engine(CACHE / "engine")
        try:
            engine.done("import", "--quiet", str(_base()), _BASE)
            wheels = _wheels()
            engine.build(
                IMAGE,
                "Containerfile",
                f"--build-arg=BASE={_BASE}",
                # Whatever index this machine has is behind its own pip.
                f"--volume={wheels}:/wheels:ro",
                "--build-arg=PIP_NO_INDEX=1",
                "--build-arg=PIP_FIND_LINKS=/wheels",
                # A minute of compiling, once: what is there with the same options is taken.
                f"--volume={FFMPEG_CACHE}:/cache:rw",
            )
            engine.build(SYSTEMD_IMAGE, "Containerfile.systemd", f"--build-arg=IMAGE={IMAGE}")
            yield engine
        finally:
            engine.close()


def _base() -> Path:
    """A small Debian as a tar file, made once."""
    suite = machines_suite()  # the wheels are for this machine's Python
    file = CACHE / f"base-{suite}.tar"
    if not file.exists():
        tree, fresh = CACHE / "base.new", CACHE / "base.new.tar"
        shutil.rmtree(tree, ignore_errors=True)
        words = bootstrap_words(str(tree), machines_mirror(), _BASE_PACKAGES, (), suite=suite)
        subprocess.run(words, check=True, cwd="/", capture_output=True, timeout=600)
        subprocess.run(["tar", "-C", str(tree), "-cf", str(fresh), "."], check=True, timeout=120)
        shutil.rmtree(tree)
        fresh.rename(file)
    return file


def _wheels() -> Path:
    """hlsswarm's libraries, made once."""
    wanted = requirements((REPOSITORY / "pyproject.toml").read_text())
    wheels = CACHE / f"wheels-{key_of(*wanted)}"
    if not wheels.exists():
        fresh = CACHE / "wheels.new"
        shutil.rmtree(fresh, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-w", str(fresh), *wanted, "setuptools>=68", "wheel"],
                       check=True, capture_output=True, timeout=600)  # fmt: skip
        fresh.rename(wheels)
    return wheels
