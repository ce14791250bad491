"""Builds an image on a base made by debootstrap, and runs it with a read-only root.

Debian's buildah builds it and reaches no registry. The base has the tag that the
Dockerfile pins and Debian's Python of the same minor version.

The store is in memory if there is enough: a build there took half of the time.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil

CHECKOUT = Path(__file__).parents[1]
MEMORY = 10 * 2**30  # bytes that must be free: 7.3e9 at the peak of a build
TOOLS = ("buildah", "debootstrap", "unshare", "chroot")
CERTIFICATES = Path("/etc/ssl/certs")  # those of the machine: its package index may need them
# The mounts belong to the new namespace and end with it.
_PROBE = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mknod "$1/null" c 1 3
: > "$1/null"
chown 10001:10001 "$1/null"
"""
_RUN = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/data"
mount --bind /proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1 user=$3 folder=$4
shift 4
exec chroot --userspec="$user" "$root" /usr/bin/env --ignore-environment --chdir="$folder" "$@"
"""


class BaseUnavailable(Exception):
    """Debian's packages cannot be downloaded."""


def missing_tools() -> str | None:
    """The reason why no image can be built here, if any."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} cannot be found: install Debian's buildah and debootstrap"
    probe = ["unshare", "--mount", "sh", "-c", _PROBE, "sh", "/mnt"]
    if (done := subprocess.run(probe, capture_output=True, text=True, check=False)).returncode:
        return f"an image needs the right to mount, make devices and change owners: {done.stderr.strip()}"
    return None


def _new_folder(other: Path) -> Path:
    """A folder in memory, or in another one if memory is short."""
    shared = Path("/dev/shm")  # noqa: S108  a new folder in it
    if shared.is_dir() and min(shutil.disk_usage(shared).free, psutil.virtual_memory().available) > MEMORY:
        return Path(mkdtemp(prefix="image-", dir=shared))
    return Path(mkdtemp(prefix="image-", dir=other))


@dataclass(frozen=True)
class Image:
    """A built image: its root folder, its size, the seconds of its build and its configuration."""

    root: Path
    megabytes: float
    seconds: float
    config: Mapping[str, Any]

    def command(self, home: Path, *arguments: str, **variables: str) -> list[str]:
        """The command that runs the image with these arguments; without any, with its own."""
        env = [*self.config["Env"], *(f"{name}={value}" for name, value in variables.items())]
        whole = [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])]
        where = (str(self.root), str(home), self.config["User"], self.config["WorkingDir"])
        return ["unshare", "--mount", "sh", "-c", _RUN, "sh", *where, *env, *whole]


class ImageStore:
    """A store of buildah in a folder of its own, with a limit of seconds for all that is built in it."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = _new_folder(folder)
        self._deadline = time.monotonic() + seconds
        self._log = self._folder / "log"
        self._options = self._with("overlay")
        probe = subprocess.run(["buildah", *self._options, "images"], capture_output=True, check=False)
        if probe.returncode:  # no overlay on this file system: every layer is a copy, which takes minutes
            self._options = self._with("vfs")

    def _with(self, driver: str) -> tuple[str, ...]:
        folders = ("--root", str(self._folder / driver), "--runroot", str(self._folder / "run"))
        return ("--storage-driver", driver, *folders)

    def _run(self, *command: str) -> str:
        """The output of a command, which fails with its last lines, and at the deadline."""
        env = {**os.environ, "TMPDIR": str(self._folder)}
        with self._log.open("w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
            try:
                output = process.communicate(timeout=self._deadline - time.monotonic())[0]
            except subprocess.TimeoutExpired:
                _kill_tree(process)
                output = process.communicate()[0]
        if process.returncode:
            late = " at its limit" if time.monotonic() > self._deadline else ""
            last = [*output.splitlines(), *self._log.read_text().splitlines()][-30:]
            raise AssertionError("\n".join((f"{' '.join(command[:6])} failed{late}:", *last)))
        return output.strip()

    def buildah(self, command: str, *arguments: str) -> str:
        """The output of a command of buildah."""
        return self._run("buildah", *self._options, command, *arguments)

    def make_base(self, tag: str) -> None:
        """Store a small Debian with Python under this tag."""
        container = self.buildah("from", "scratch")
        root = self.buildah("mount", container)
        packages = "python3,python3-venv,ca-certificates"
        try:
            self._run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root)
        except AssertionError as error:
            if re.search(r"^E: (Failed getting release|Couldn't download)", str(error), re.MULTILINE):
                raise BaseUnavailable(str(error)) from error
            raise
        for cached in (Path(root) / "var" / "cache" / "apt" / "archives").glob("*.deb"):
            cached.unlink()
        (Path(root) / "etc" / "hosts").write_text("127.0.0.1 localhost\n")  # a container's runtime mounts it
        self.buildah("commit", "--quiet", "--rm", container, f"docker.io/library/{tag}")

    def build(self, revision: str) -> Image:
        """Build the checkout's Dockerfile."""
        started = time.monotonic()
        self.buildah(
            *("bud", "--isolation", "chroot", "--format", "docker", "--layers=false", "--pull-never"),
            *("--network", "host", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"),
            *("--build-arg", f"REVISION={revision}", "--tag", "taxi-assets:test", str(CHECKOUT)),
        )
        seconds = time.monotonic() - started
        described = json.loads(self.buildah("inspect", "--type", "image", "taxi-assets:test"))
        size = json.loads(self.buildah("images", "--json", "taxi-assets:test"))[0]["size"]
        root = self.buildah("mount", self.buildah("from", "--pull-never", "taxi-assets:test"))
        return Image(Path(root), _megabytes(size), seconds, described["Docker"]["config"])

    def remove(self) -> None:
        """Delete the store and what is mounted in it."""
        for command in ("umount", "rm"):
            subprocess.run(["buildah", *self._options, command, "--all"], capture_output=True, check=False)
        for mount in psutil.disk_partitions(all=True):
            if Path(mount.mountpoint).is_relative_to(self._folder):
                subprocess.run(["umount", "--lazy", mount.mountpoint], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)


def _kill_tree(process: subprocess.Popen[str]) -> None:
    for each in (*psutil.Process(process.pid).children(recursive=True), process):
        with suppress(psutil.NoSuchProcess):
            each.kill()


def _megabytes(size: str) -> float:
    """A size as buildah prints it, such as `1.64 GB`."""
    number, unit = size.split()
    return float(number) * {"KB": 0.001, "MB": 1, "GB": 1000}[unit]


def base_tags(dockerfile: Path) -> set[str]:
    """The images that the stages of a Dockerfile begin with."""
    return set(re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE))


@contextmanager
def running(command: list[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A container's process, ended with its children by the signal that Docker sends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
