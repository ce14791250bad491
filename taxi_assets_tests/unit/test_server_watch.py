"""A worker ends by SIGTERM after its server, also if it watches a server that has ended."""

import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

WORKER = """
import os, signal, sys
from taxi_assets.serving.endpoint.server_watch import end_with_server
def seal(*_):
    os.write(1, b"sealed\\n")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, seal)
print(os.getpid(), flush=True)
if "late" in sys.argv:
    os.read(0, 1)  # its server ends meanwhile
end_with_server(poll_seconds=0.01)
os.write(1, b"watches\\n")  # at once: the signal may come during it
while True:
    signal.pause()
"""
SERVER = f"""
import signal, subprocess, sys
from taxi_assets.serving.endpoint.server_watch import note_server
note_server()
subprocess.Popen([sys.executable, "-c", {WORKER!r}, *sys.argv[1:]])
signal.pause()
"""


@pytest.mark.parametrize("late", [[], ["late"]])
def test_a_worker_ends_after_its_killed_server(late: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, *late], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin
        assert server.stdout
        worker = psutil.Process(int(server.stdout.readline()))
        try:
            if not late:
                assert server.stdout.readline() == "watches\n"
            server.send_signal(signal.SIGKILL)
            server.wait(10)
            server.stdin.close()
            assert server.stdout.read().splitlines()[-1] == "sealed"
            worker.wait(10)
        finally:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
