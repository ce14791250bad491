"""An S3 server on loopback for tests, in a folder of its own."""

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

KEY_ID, SECRET_KEY = "planted-key-id-8", "planted-secret-key-9"
BUCKET = "lake"
_PROGRAM = Path(sys.executable).with_name("rclone")


def missing() -> str:
    """Names in one line what this environment lacks; empty if nothing."""
    return "" if _PROGRAM.is_file() else "the S3 server is missing: run `make env-scale`"


@dataclass
class S3Server:
    """Objects are files below `folder`; its first level are the buckets."""

    folder: Path
    port: int
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The standard variables that reach the server."""
        return {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        (self.folder / BUCKET).mkdir(parents=True, exist_ok=True)
        command = [str(_PROGRAM), "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{self.port}"]
        command += ["--auth-key", f"{KEY_ID},{SECRET_KEY}", "--log-level", "CRITICAL", str(self.folder)]
        self._process = subprocess.Popen(command)
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(URLError, ConnectionError):
                try:
                    urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
                except HTTPError as refused:  # without keys
                    refused.close()
                return
        raise AssertionError("the S3 server does not answer")

    def kill(self) -> None:
        """Stops the server by SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def objects(self, prefix: str = "") -> list[str]:
        """The keys of the bucket's objects that begin with a prefix."""
        bucket = self.folder / BUCKET
        found = (path.relative_to(bucket).as_posix() for path in bucket.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))
