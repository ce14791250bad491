"""Builds an image on a base made by debootstrap, and runs it with a read-only root.

Debian's buildah builds it and reaches no registry. The base has the tag that the
Dockerfile pins and Debian's Python of the same minor version.
"""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
TOOLS = ("buildah", "debootstrap", "unshare", "chroot")
CERTIFICATES = Path("/etc/ssl/certs")  # those of the machine: its package index may need them
# The mounts belong to the new namespace and end with it.
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


def missing_tools() -> str | None:
    """The reason why no image can be built here, if any."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} cannot be found: install Debian's buildah and debootstrap"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "this user may not mount: run as root"
    return None


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
    """A store of buildah in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._options = self._with("overlay")
        probe = subprocess.run(["buildah", *self._options, "images"], capture_output=True, check=False)
        if probe.returncode:  # no overlay on this file system: every layer is a copy, which takes minutes
            self._options = self._with("vfs")

    def _with(self, driver: str) -> tuple[str, ...]:
        folders = ("--root", str(self._folder / driver), "--runroot", str(self._folder / "run"))
        return ("--storage-driver", driver, *folders)

    def buildah(self, command: str, *arguments: str) -> str:
        """The output of a command of buildah."""
        done = subprocess.run(
            ["buildah", *self._options, command, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"buildah {command}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        return done.stdout.strip()

    def make_base(self, tag: str) -> None:
        """Store a small Debian with Python under this tag."""
        container = self.buildah("from", "scratch")
        root = self.buildah("mount", container)
        packages = "python3,python3-venv,ca-certificates"
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", root]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
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
            self.buildah(command, "--all")
        shutil.rmtree(self._folder, ignore_errors=True)


def _megabytes(size: str) -> float:
    """A size as buildah prints it, such as `1.64 GB`."""
    number, unit = size.split()
    return float(number) * {"KB": 0.001, "MB": 1, "GB": 1000}[unit]


def base_tags(dockerfile: Path) -> set[str]:
    """The images that the stages of a Dockerfile begin with."""
    return set(re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE))


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A container's process, ended with its children by the signal that Docker sends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
