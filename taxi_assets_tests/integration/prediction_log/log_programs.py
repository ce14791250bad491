"""Programs that append to a log in processes of their own, so that tests can kill them."""

import subprocess
import sys
from pathlib import Path

# Prints each id once its record counts as written.
_APPEND = """
import asyncio, sys
from pathlib import Path
from taxi_assets.serving.prediction_log.log_writer import LogWriter

async def main():
    writer = LogWriter(Path(sys.argv[1]), sys.argv[2], max_bytes=int(sys.argv[3]))
    number = 0
    while True:
        request_id = writer.append({"number": number, "filling": "x" * 400})
        await writer.durable()
        sys.stdout.write(request_id + "\\n")
        sys.stdout.flush()
        number += 1

asyncio.run(main())
"""

# Appends until the largest size of a file is reached, which cuts a record as a full disk does.
_APPEND_TO_LIMIT = """
import json, os, resource, sys
from pathlib import Path
from taxi_assets.serving.prediction_log.log_writer import LogUnavailable, LogWriter

writer = LogWriter(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
ids, refusals = [], []
for number in range(40):
    try:
        ids.append(writer.append({"number": number, "filling": "x" * 333}))
    except LogUnavailable as refusal:
        refusals.append(str(refusal))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ids.append(writer.append({"number": 40}))
writer.close()
print(json.dumps([ids, refusals]))
"""


def start_appending(folder: Path, sync: str, max_bytes: int) -> subprocess.Popen[str]:
    """Start a process that appends until it is killed; each line of its output is an acknowledged id."""
    command = [sys.executable, "-c", _APPEND, str(folder), sync, str(max_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def append_to_limit(folder: Path) -> str:
    """Append 40 records with room for fewer, then one with room; print ids and refusals as JSON."""
    command = [sys.executable, "-c", _APPEND_TO_LIMIT, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
