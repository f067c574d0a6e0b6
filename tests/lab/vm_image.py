"""A disk image of a small Debian with hlsswarm installed, to be booted by QEMU (vm_driver).

Knows how to make it from packages, with nothing mounted: mmdebstrap unpacks the base (apt with a
configuration of its own, the mirror that this machine uses), `make install` puts hlsswarm in, and
mke2fs makes a file system of the tree. Needs root, and from apt: mmdebstrap, e2fsprogs. It is
x86-64's. Knows nothing of QEMU.

    base      Debian's packages and our few files        made anew when they change
    wheels    hlsswarm's libraries for that Debian       made anew when pyproject.toml names others
    image     base + what `make install` puts in: disk,  made anew when hlsswarm's source changes
              kernel and initramfs
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.ffmpeg_minimal.debian import machines_mirror
from tests.lab.apt_tree import CACHE, REPOSITORY

SUITE = "trixie"
PYTHON_VERSION = "3.13"
"""Of the suite."""
DISK_SIZE = "3G"
"""Of the file system; the file itself is sparse."""
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "polkitd", "iproute2", "procps", "curl"),
    *("ffmpeg", "nginx-light", "python3", "python3-venv", "make", "openssh-server"),
    *("linux-image-cloud-amd64", "initramfs-tools", "zstd"),
)
BUILD_PACKAGES = (
    *("python3-venv", "python3-dev", "gcc", "libc6-dev", "pkg-config", "libsystemd-dev"),
)
SOURCE_ONLY = ("pystemd", "sdnotify")
"""Libraries that have no wheels: they are built with the suite's own Python."""
BUILT_WITH = ("setuptools", "wheel", "cython", "lxml")
"""What those are built with, and pystemd's own needs."""
_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
_SOURCES = ("Makefile", "README.md", "pyproject.toml", "hlsswarm", "systemd")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_GUEST = Path(__file__).with_name("vm_guest")
_INITRAMFS = "etc/initramfs-tools"
"""Read while packages are installed."""
_LEFT_OUT = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"),
    # OpenGL's compiler: 195 MB that ffmpeg links to nothing of.
    *("*/libLLVM*", "*/libz3.so*", "*/libgallium*"),
)
_MASKED = (
    # The shell's terminal is the driver's own.
    *("serial-getty@hvc0.service", "serial-getty@ttyS0.service", "getty@tty1.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service", "systemd-timesyncd.service"),
    *("systemd-networkd-wait-online.service", "ldconfig.service"),
)
_ENABLED = ("vm-shell.service", "systemd-networkd.service", "hlsswarm.service", "ssh.socket")
_TIMEOUT_SECONDS = 1800.0


class ImageError(Exception):
    """No image can be made, in a sentence."""


@dataclass(frozen=True)
class Image:
    """What QEMU boots: a raw disk with one ext4 file system, a kernel and its initramfs."""

    disk: Path
    kernel: Path
    initrd: Path

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While somebody boots it, it is not taken away for a newer one."""
        descriptor = os.open(self.disk.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)


def built(cache: Path = CACHE / "vm", *, say: bool = True) -> Image:
    """The image of the source as it is now; what is missing is made. Raises ImageError."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        maker = _Maker(cache, say=say)
        base = maker.base()
        return maker.disk(base, maker.wheels())


def requirements(pyproject: str) -> list[str]:
    """Libraries that hlsswarm names, as pip takes them."""
    return list(tomllib.loads(pyproject)["project"]["dependencies"])


def bootstrap_words(
    tree: str, mirror: str, packages: Iterable[str], hooks: Iterable[str], *, suite: str = SUITE
) -> list[str]:
    """mmdebstrap(1): a small system in `tree`, or in none (`-`) when the hooks are all of it."""
    options = [
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        "--dpkgopt=force-unsafe-io",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        f"--include={','.join(packages)}",
        *hooks,
    ]
    form = "null" if tree == "-" else "directory"
    source = f"deb [signed-by={_KEYRING}] {mirror} {suite} main"
    return [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--format={form}"),
        *options,
        *(suite, tree, source),
    ]


def key_of(*parts: str | bytes) -> str:
    """A short name of a content."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:12]


def files_of(roots: Iterable[Path]) -> list[Path]:
    """All files below, in order; what Python has compiled is none of it."""
    found: set[Path] = set()
    for root in roots:
        found.update([root] if root.is_file() else (p for p in root.rglob("*") if p.is_file()))
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _key_of_files(roots: Iterable[Path]) -> str:
    files = files_of(roots)
    return key_of(*(part for path in files for part in (str(path), path.read_bytes())))


class _Maker:
    """Makes each part where it is missing; each is there as a whole or not at all."""

    def __init__(self, cache: Path, *, say: bool) -> None:
        self._cache = cache
        self._say = say

    def base(self) -> Path:
        """Debian's tree."""
        key = key_of(*PACKAGES, *_LEFT_OUT, *_MASKED, _key_of_files([_GUEST / _INITRAMFS]))
        base = self._cache / f"base-{key}"
        if not base.exists():
            self._remove_old("base-*")
            fresh = self._fresh("base.new")
            copied = f'--essential-hook=cp -r --no-preserve=ownership "{_GUEST}"/. "$1"'
            self._run("Debian's packages", bootstrap_words(
                str(fresh), machines_mirror(), PACKAGES, [copied]
            ))  # fmt: skip
            _trim(fresh)
            fresh.rename(base)
        return base

    def wheels(self) -> Path:
        """hlsswarm's libraries for the guest's Python."""
        wanted = requirements((REPOSITORY / "pyproject.toml").read_text())
        wheels = self._cache / f"wheels-{key_of(*wanted, *SOURCE_ONLY, *BUILT_WITH)}"
        if not wheels.exists():
            self._remove_old("wheels-*")
            fresh = self._fresh("wheels.new")
            fresh.mkdir()
            self._download(wanted, fresh)
            inside = 'chroot "$1" env -i PATH=/usr/bin:/bin PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels'
            hooks = (
                f'cp -r "{fresh}" "$1/wheels"',
                f'{inside} sh -c "python3 -m venv /v && /v/bin/python -m pip wheel -q --no-deps '
                f'-w /out {" ".join(SOURCE_ONLY)}"',
                f'cp "$1"/out/*.whl "{fresh}"',
            )
            self._run(f"wheels of {' and '.join(SOURCE_ONLY)}", bootstrap_words(
                "-", machines_mirror(), BUILD_PACKAGES, [f"--customize-hook={h}" for h in hooks]
            ))  # fmt: skip
            for source in fresh.glob("*.tar.gz"):
                source.unlink()
            fresh.rename(wheels)
        return wheels

    def _download(self, wanted: Sequence[str], directory: Path) -> None:
        """Wheels for the guest's Python, and the sources of those that have none."""
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        pip += ["-d", str(directory)]
        sources = [line for line in wanted if line.startswith(SOURCE_ONLY)]
        ready = [line for line in wanted if line not in sources]
        foreign = ["--only-binary=:all:", "--python-version", PYTHON_VERSION]
        foreign += ["--implementation", "cp"]
        foreign += [
            f"--abi={abi}" for abi in (f"cp{PYTHON_VERSION.replace('.', '')}", "abi3", "none")
        ]
        foreign += [f"--platform={platform}" for platform in _PLATFORMS]
        self._run("libraries", [*pip, *foreign, *ready, *BUILT_WITH])
        names = ",".join(SOURCE_ONLY)
        self._run("sources of libraries", [*pip, "--no-deps", f"--no-binary={names}", *sources])

    def disk(self, base: Path, wheels: Path) -> Image:
        """The base with hlsswarm in it, as a disk."""
        sources = [REPOSITORY / name for name in _SOURCES]
        key = key_of(base.name, wheels.name, DISK_SIZE, _key_of_files([*sources, _GUEST]))
        image = self._cache / f"image-{key}"
        if not image.exists():
            self._remove_old("image-*")
            self._install(base, wheels)
            fresh = self._fresh("image.new")
            fresh.mkdir()
            self._run("the disk", [
                *("mke2fs", "-q", "-t", "ext4", "-m", "0"),
                *("-L", "root", "-d", str(base), str(fresh / "disk.ext4"), DISK_SIZE),
            ])  # fmt: skip
            for name in ("vmlinuz", "initrd.img"):
                (kernel,) = (base / "boot").glob(f"{name}-*")
                shutil.copy(kernel, fresh / name)
            fresh.rename(image)
        return Image(image / "disk.ext4", image / "vmlinuz", image / "initrd.img")

    def _install(self, base: Path, wheels: Path) -> None:
        """`make install` inside the tree, with its Python, from a copy of the source."""
        for name in ("usr/local/lib/hlsswarm", "root/source", "root/wheels"):
            shutil.rmtree(base / name, ignore_errors=True)
        for path in files_of(REPOSITORY / name for name in _SOURCES):
            target = base / "root/source" / path.relative_to(REPOSITORY)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        shutil.copytree(wheels, base / "root/wheels")
        inside = ["chroot", str(base), "env", "-i", "PATH=/usr/bin:/usr/sbin:/bin", "HOME=/root"]
        inside += ["PIP_NO_INDEX=1", "PIP_FIND_LINKS=/root/wheels"]
        self._run("the guest's own files", ["cp", "-r", f"{_GUEST}/.", str(base)])
        # DESTDIR keeps it from asking apt for a compiler.
        self._run("hlsswarm", [*inside, "make", "-s", "-C", "/root/source", "install", "DESTDIR=/"])
        self._run("its group", [*inside, "systemd-sysusers"])
        self._run("units", [*inside, "systemctl", "-q", "enable", *_ENABLED])
        for name in ("root/source", "root/wheels"):
            shutil.rmtree(base / name)
        (base / "etc/hlsswarm/hlsswarm.toml").unlink()  # each test brings its own

    def _run(self, what: str, words: Sequence[str]) -> None:
        """Raises ImageError with the program's last words."""
        began = time.monotonic()
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        try:
            done = subprocess.run(
                words,
                cwd="/",  # mmdebstrap's helpers want a directory that everybody may enter
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except FileNotFoundError:
            raise ImageError(
                f"Missing: {words[0]}; apt-get install mmdebstrap e2fsprogs."
            ) from None
        if done.returncode:
            raise ImageError(f"{what}: {words[0]} failed: {(done.stdout + done.stderr)[-1500:]}")
        if self._say:
            print(f"==> {what}: {time.monotonic() - began:.0f} s", file=sys.stderr)

    def _fresh(self, name: str) -> Path:
        self._remove_old(name)
        return self._cache / name

    def _remove_old(self, pattern: str) -> None:
        for path in self._cache.glob(pattern):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # somebody boots it
            else:
                shutil.rmtree(path)
            finally:
                os.close(descriptor)


def _trim(base: Path) -> None:
    """Nothing runs in the guest that no test asks for."""
    units = base / "etc/systemd/system"
    for name in _MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    for name in ("nginx.service", "ssh.service"):  # ours are transient; by its socket
        for wanted in units.glob(f"*.wants/{name}"):
            wanted.unlink()
    for name in ("etc/.updated", "var/.updated"):  # systemd-update-done.service(8)
        (base / name).touch()
    (base / "etc/machine-id").write_text("")
    (base / "etc/hostname").unlink(missing_ok=True)
    for key in (base / "etc/ssh").glob("ssh_host_*"):  # each machine makes its own
        key.unlink()
