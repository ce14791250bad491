"""Small real programs run together; none of them is left behind."""

import io
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from started_programs import FOREVER, HOST, is_alive

from taxi_assets.cli.supervisor import program_logs
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.program_logs import ProgramLogs
from taxi_assets.cli.supervisor.programs import Endpoint, Program
from taxi_assets.cli.supervisor.supervisor import Timeouts, run
from taxi_assets.errors import TaxiError

QUICK = Timeouts(ready_seconds=30, back_off_seconds=0.01, renew_seconds=0.01, stop_seconds=10)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER
SERVER = f"""
import os, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
server = HTTPServer(({HOST!r}, int(sys.argv[1])), SimpleHTTPRequestHandler)
print("WARNING pid", os.getpid(), flush=True)
server.serve_forever()
"""
# A child in its own session, as servers start their workers.
PARENT = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], start_new_session=True, stdout=subprocess.PIPE)
print(child.stdout.readline().decode(), end="")
print("WARNING pid", os.getpid(), flush=True)
"""


class Screen(io.StringIO):
    """Captures the terminal; the first time the text matches a pattern, runs that pattern's action."""

    def __init__(self, *reactions: tuple[str, Callable[[], None]]) -> None:
        super().__init__()
        self.reactions = list(reactions)

    def write(self, text: str) -> int:
        written = super().write(text)
        for reaction in tuple(self.reactions):
            if re.search(reaction[0], self.getvalue(), re.DOTALL):
                self.reactions.remove(reaction)
                reaction[1]()
        return written


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def endpoint_of(program: Program) -> Endpoint:
    assert program.endpoint
    return program.endpoint


def python(name: str, code: str, endpoint: Endpoint | None = None) -> Program:
    return Program(name, (sys.executable, "-c", code), {}, "a test", endpoint)


def web(name: str = "web") -> Program:
    endpoint = Endpoint(HOST, free_port(HOST), f"TAXI_{name.upper()}_PORT")
    return Program(name, (sys.executable, "-c", SERVER, str(endpoint.port)), {}, "a server", endpoint)


def watched(programs: Sequence[Program], screen: Screen, timeouts: Timeouts = QUICK) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(programs, Console(file=screen, width=300), ProgramLogs(Path(folder)), timeouts)


def printed_pids(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"pid (\d+)", text)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_ends_all_programs(number: int) -> None:
    before = signal.getsignal(number)
    screen = Screen(("Ctrl-C stops all of them", send(number)))
    server = web()
    watched([python("quiet", FOREVER), server], screen)
    text = screen.getvalue()
    assert endpoint_of(server).url in text
    assert re.search(r"^quiet \| WARNING pid \d+$", text, re.MULTILINE)
    assert text.rstrip().endswith("all stopped")
    assert not any(map(is_alive, printed_pids(text)))
    assert signal.getsignal(number) is before


def test_children_that_ignore_sigterm_or_left_the_group_are_ended() -> None:
    screen = Screen(("(pid.*){3}", send(signal.SIGINT)))
    parent = python("parent", PARENT + "import signal; signal.pause()")
    watched([parent, python("stubborn", STUBBORN)], screen, Timeouts(stop_seconds=0.2))
    pids = printed_pids(screen.getvalue())
    assert len(pids) == 3
    assert not any(map(is_alive, pids))


def test_second_signal_kills_at_once() -> None:
    screen = Screen(("pid", send(signal.SIGINT)), ("stopping", send(signal.SIGINT)))
    watched([python("stubborn", STUBBORN)], screen, Timeouts(stop_seconds=3600))
    assert not any(map(is_alive, printed_pids(screen.getvalue())))


def test_a_program_that_keeps_dying_is_named_and_ends_all() -> None:
    screen = Screen()
    dying = python("dying", "print('error: no more coal'); raise SystemExit(7)")
    with pytest.raises(TaxiError, match=r"dying ended with exit code 7 after 3 restarts: see .*dying.log"):
        watched([python("quiet", FOREVER), dying], screen)
    text = screen.getvalue()
    assert text.count("dying | error: no more coal") == 4
    assert [number for number in (1, 2, 3) if f"exit code 7: restart {number} of 3" in text] == [1, 2, 3]
    assert text.rstrip().endswith("all stopped")
    assert not any(map(is_alive, printed_pids(text)))


def test_a_killed_server_is_restarted_and_the_others_go_on() -> None:
    screen = Screen()
    screen.reactions = [
        ("Ctrl-C stops", lambda: os.kill(printed_pids(screen.getvalue())[-1], signal.SIGKILL)),
        ("is ready again", send(signal.SIGINT)),
    ]
    watched([web()], screen)
    assert "web was ended by signal 9 (Killed): restart 1 of 3" in screen.getvalue()


def test_a_program_starts_once_it_misses_nothing(tmp_path: Path) -> None:
    whole = web("late")
    missing = replace(whole, missing="no Bento yet", renew=lambda: whole if (tmp_path / "built").exists() else missing)
    screen = Screen(
        ("late +no Bento yet", (tmp_path / "built").touch),
        ("starting late .*late is ready http", send(signal.SIGINT)),
    )
    watched([python("quiet", FOREVER), missing], screen)
    assert f"late is ready {endpoint_of(whole).url}" in screen.getvalue()
    assert not any(map(is_alive, printed_pids(screen.getvalue())))


def test_a_program_that_goes_on_missing_ends_with_the_others() -> None:
    missing = replace(web("late"), missing="no Bento yet", renew=lambda: missing)
    screen = Screen(("no Bento yet", send(signal.SIGINT)))
    watched([python("quiet", FOREVER), missing], screen)
    assert screen.getvalue().rstrip().endswith("all stopped")


def test_children_of_a_dead_program_are_ended_before_its_restart() -> None:
    alive_at_restart = []
    screen = Screen()

    def record_alive() -> None:
        alive_at_restart.append([pid for pid in printed_pids(screen.getvalue()) if is_alive(pid)])

    screen.reactions = [(f"restart {number} of 3", record_alive) for number in (1, 2, 3)]
    dying = python("parent", PARENT + "raise SystemExit(1)")
    with pytest.raises(TaxiError, match="exit code 1 after 3 restarts"):
        watched([dying], screen, replace(QUICK, stop_seconds=0.1))
    assert len(printed_pids(screen.getvalue())) == 8
    assert alive_at_restart == [[], [], []]


def test_a_program_that_lacks_something_is_listed_and_not_started() -> None:
    screen = Screen(("Ctrl-C stops", send(signal.SIGINT)))
    missing = replace(web("bento"), command=("no-such-program",), missing="no Bento yet: run `make run` first")
    watched([web(), missing], screen)
    assert "no Bento yet: run `make run` first" in screen.getvalue()
    assert "starting web ..." in screen.getvalue()


def test_a_silent_server_is_named() -> None:
    screen = Screen(("Ctrl-C stops", send(signal.SIGINT)))
    silent = python("silent", FOREVER, endpoint=Endpoint(HOST, free_port(HOST), "TAXI_SILENT_PORT"))
    watched([silent], screen, replace(QUICK, ready_seconds=0.2))
    assert "silent was not ready after 0.2 s: see " in screen.getvalue()


def test_taken_port_is_reported_before_anything_starts() -> None:
    server = web()
    with (
        socket.create_server((HOST, endpoint_of(server).port)),
        pytest.raises(TaxiError, match="set TAXI_WEB_PORT"),
    ):
        watched([python("quiet", FOREVER), server], screen := Screen())
    assert screen.getvalue() == ""


def test_a_program_that_cannot_start_ends_the_others() -> None:
    screen = Screen()
    with pytest.raises(TaxiError, match="cannot start no-such-program"):
        watched([python("quiet", FOREVER), replace(web(), command=("no-such-program",))], screen)
    assert screen.getvalue().rstrip().endswith("all stopped")
    assert not any(map(is_alive, printed_pids(screen.getvalue())))


def test_with_log_files_only_warnings_reach_the_terminal(tmp_path: Path) -> None:
    said = "2026 - INFO - a tick\\n2026 - \\x1b[33mWARNING\\x1b[0m - a month waits"
    code = f"import signal; print('{said}', flush=True); signal.pause()"
    logs = ProgramLogs(tmp_path / "up")
    screen = Screen(("a month waits", send(signal.SIGINT)))
    run([python("daemon", code)], Console(file=screen, width=100), logs, QUICK)
    assert "daemon | 2026 - WARNING - a month waits" in screen.getvalue()
    assert "a tick" not in screen.getvalue()
    assert logs.path("daemon").read_text().splitlines() == ["2026 - INFO - a tick", "2026 - WARNING - a month waits"]


def test_output_at_the_end_goes_to_the_log_only(tmp_path: Path) -> None:
    last = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('Traceback: an ERROR'))\n"
    logs = ProgramLogs(tmp_path / "up")
    code = last + "print('a WARNING', flush=True)\nsignal.pause()"
    screen = Screen(("a WARNING", send(signal.SIGINT)))
    run([python("loud", code)], Console(file=screen, width=100), logs, QUICK)
    assert "Traceback" not in screen.getvalue()
    assert "Traceback: an ERROR" in logs.path("loud").read_text()


def test_a_program_that_keeps_dying_names_its_log(tmp_path: Path) -> None:
    logs, screen = ProgramLogs(tmp_path / "up"), Screen()
    dying = python("dying", "print('no more coal'); raise SystemExit(7)")
    with pytest.raises(TaxiError, match=f"see {logs.path('dying')}"):
        run([dying], Console(file=screen, width=300), logs, QUICK)
    assert logs.path("dying").read_text().count("no more coal") == 4


def test_a_large_log_is_rotated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_logs, "_LARGEST_BYTES", 100)
    logs = ProgramLogs(tmp_path)
    for number in range(50):
        logs.write("daemon", f"line {number}")
    logs.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daemon.log", "daemon.log.1"]
    assert logs.path("daemon").read_text().endswith("line 49\n")


@pytest.mark.parametrize(
    ("line", "notable"),
    [
        ("2026-11-27 20:58:25 +0000 - dagster.daemon.SensorDaemon - INFO - Sensor landing_sensor skipped", False),
        ("2026-11-27 20:58:25 +0000 - dagster.daemon - ERROR - the run failed", True),
        ("2026-11-27T20:38:46+0000 [WARNING] [entry_service] slow", True),
        ("Traceback (most recent call last):", False),
        ('"GET /errors HTTP/1.1" 200', False),
        ("error: the model cannot be served", True),
    ],
)
def test_a_line_is_notable_by_its_level(line: str, notable: bool) -> None:
    assert program_logs.terminal_line(line) == (line if notable else None)


RUN = "2026-11-27 23:44:57 +0000 - dagster - {} - month - 933136dc-b36d-44a4-8340-36c397660bc0 - {}"
SHOWN = "ERROR: a run of the job month failed{}: Dagster shows why at /runs/933136dc-b36d-44a4-8340-36c397660bc0"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (RUN.format("ERROR", '2208 - raw_trips - STEP_FAILURE - Execution of step "raw_trips" failed.'), None),
        (RUN.format("ERROR", "clean_trips - Dependencies for step clean_trips failed: ['raw_trips']."), None),
        (RUN.format("WARNING", "clean_trips - a month of few rows"), None),
        (
            RUN.format(
                "ERROR", "2208 - RUN_FAILURE - Execution of run for \"month\" failed. Steps failed: ['raw_trips']."
            ),
            SHOWN.format(" at raw_trips"),
        ),
        (
            RUN.format("ERROR", '2208 - RUN_FAILURE - Execution of run for "train_month" failed. No room.'),
            SHOWN.format(""),
        ),
        ("dagster._core.definitions.events.Failure: raw_trips of green 2023-02 is not published", None),
        ("2026-11-27 20:58:25 +0000 - dagster.daemon - ERROR - the disk is full", "{line}"),
    ],
)
def test_a_failed_run_is_one_sentence_on_the_terminal(line: str, shown: str | None) -> None:
    assert program_logs.terminal_line(line) == (shown and shown.format(line=line))
