"""Unplanned ends of the supervisor, and a program that runs for a while."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from started_programs import FOREVER, HOST, is_alive, wait_until

from taxi_assets.cli.supervisor import processes
from taxi_assets.cli.supervisor.home import is_supervised, only_cluster, supervised_home
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Endpoint, Program
from taxi_assets.cli.supervisor.supervisor import Timeouts, running
from taxi_assets.errors import TaxiError

SUPERVISOR = f"""
import sys
from pathlib import Path
from rich.console import Console
from taxi_assets.cli.supervisor.program_logs import ProgramLogs
from taxi_assets.cli.supervisor.programs import Program
from taxi_assets.cli.supervisor.supervisor import run
programs = [Program(name, (sys.executable, "-c", {FOREVER!r}), {{}}, "") for name in ("one", "two")]
run(programs, Console(), ProgramLogs(Path(sys.argv[1])))
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield process
        process.kill()


def printed_pids(supervisor: subprocess.Popen[str]) -> list[int]:
    """The pids of its two programs, once both are printed."""
    assert supervisor.stdout
    pids: list[int] = []
    while len(pids) < 2:
        line = supervisor.stdout.readline()
        assert line, "the supervisor ended too early"
        pids += [int(line.split("pid")[1])] if " | " in line else []
    return pids


def test_no_process_outlives_a_killed_supervisor(supervisor: subprocess.Popen[str]) -> None:
    pids = printed_pids(supervisor)
    assert all(map(is_alive, pids))
    supervisor.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, pids)))


def test_no_process_outlives_a_supervisor_without_output(supervisor: subprocess.Popen[str]) -> None:
    pids = printed_pids(supervisor)
    assert supervisor.stdout
    supervisor.stdout.close()
    supervisor.send_signal(signal.SIGTERM)
    wait_until(lambda: not any(map(is_alive, pids)))
    supervisor.wait(timeout=30)


def test_parent_tag_covers_its_children_only() -> None:
    with processes.guarded_tag() as mark:
        names = (f"{mark}/one", f"{mark}/one/more", f"{mark}/oneself")
        command = (sys.executable, "-c", FOREVER)
        started = [processes.start(command, {}, name, subprocess.DEVNULL) for name in names]
        assert len(processes.tagged_processes(f"{mark}/one")) == 2
        assert len(processes.tagged_processes(mark)) == 3
        processes.stop(f"{mark}/one")
        assert len(processes.tagged_processes(mark)) == 1
        processes.stop(mark)
        assert processes.tagged_processes(mark) == []
    assert [process.wait() for process in started] == [-signal.SIGTERM] * 3


def test_a_process_left_running_is_ended_after_the_block() -> None:
    with processes.guarded_tag() as mark:
        left = processes.start((sys.executable, "-c", FOREVER), {}, mark, subprocess.DEVNULL)
    assert left.wait(timeout=30) == -signal.SIGTERM


def test_a_process_with_a_reused_pid_is_also_ended_gently() -> None:
    with processes.guarded_tag() as mark:
        started = processes.start((sys.executable, "-c", FOREVER), {}, mark, subprocess.DEVNULL)
        remembered = next(process for process in psutil.process_iter() if process.pid == started.pid)
        remembered._ident = (started.pid, 0.0)  # one that started at another time
        processes.stop(mark)
    assert started.wait() == -signal.SIGTERM


def test_a_process_is_found_after_it_has_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    environ, asked = psutil.Process.environ, list[int]()

    def as_while_loading(process: psutil.Process) -> dict[str, str]:
        asked.append(process.pid)
        return {} if len(asked) < 3 else environ(process)

    monkeypatch.setattr(psutil.Process, "environ", as_while_loading)
    with processes.guarded_tag() as mark:
        started = processes.start((sys.executable, "-c", FOREVER), {}, mark, subprocess.DEVNULL)
        assert len(asked) >= 3  # a longer list, as once the program has loaded
        assert set(asked) == {started.pid}
        processes.stop(mark)
    assert started.wait() == -signal.SIGTERM


def test_a_process_started_during_the_shutdown_is_also_ended_gently(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is not seen at first, as if it were still loading its program."""
    with processes.guarded_tag() as mark:
        command = (sys.executable, "-c", FOREVER)
        first, second = (processes.start(command, {}, mark, subprocess.DEVNULL) for _ in range(2))
        tagged_processes, shown = processes.tagged_processes, [{first.pid}, set[int]()]

        def as_while_loading(asked: str) -> list[psutil.Process]:
            seen = shown.pop(0) if shown else {first.pid, second.pid}
            return [process for process in tagged_processes(asked) if process.pid in seen]

        monkeypatch.setattr(processes, "tagged_processes", as_while_loading)
        processes.stop(mark)
    assert [first.wait(), second.wait()] == [-signal.SIGTERM] * 2


def web(path: str = "/") -> Program:
    endpoint = Endpoint(HOST, free_port(HOST), "TAXI_WEB_PORT", path)
    command = (sys.executable, "-m", "http.server", str(endpoint.port), "--bind", HOST)
    return Program("web", command, {}, "a server", endpoint)


def test_a_program_runs_while_the_block_lasts(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "web.log"
    with running(web(), log) as url:
        assert httpx.get(url, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    assert '"GET / HTTP/1.1" 200' in log.read_text()


def test_a_program_ends_with_a_block_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), running(web(), tmp_path / "web.log") as url:
        _ = 1 / 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_program_that_dies_first_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    program = Program("bento", (sys.executable, "-c", "raise SystemExit('no model')"), {}, "", web().endpoint)
    with pytest.raises(TaxiError, match=f"bento ended with exit code 1: see {log}, which ends with\nno model$"):
        running(program, log).__enter__()
    assert log.read_text() == "no model\n"


def test_a_silent_program_is_ended(tmp_path: Path) -> None:
    timeouts = Timeouts(ready_seconds=0.5)
    with pytest.raises(TaxiError, match=r"web was not ready after 0.5 s"):
        running(web("/not-there"), tmp_path / "web.log", timeouts).__enter__()


def test_a_program_that_lacks_something_cannot_run(tmp_path: Path) -> None:
    missing = Program("bento", ("true",), {}, "", web().endpoint, missing="no Bento yet: run `make run` first")
    with pytest.raises(TaxiError, match="no Bento yet"):
        running(missing, tmp_path / "log").__enter__()


# One `taxi up` a home


def test_a_second_supervisor_in_a_home_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        supervised_home(home),
        pytest.raises(TaxiError, match=r"another `taxi up` of dev runs in .*home: stop it .*TAXI_HOME"),
        supervised_home(home / ".." / "home"),
    ):
        pass
    with supervised_home(home), supervised_home(tmp_path / "other"):
        pass


def test_environments_of_a_home_are_up_at_the_same_time(tmp_path: Path) -> None:
    with supervised_home(tmp_path) as dev, supervised_home(tmp_path, "test") as test:
        left = processes.start(["sleep", "60"], {}, f"{test}/x", subprocess.DEVNULL)
        assert (is_supervised(tmp_path), is_supervised(tmp_path, "test")) == (False, True)
        processes.stop(dev)
        assert is_alive(left.pid)
        with pytest.raises(TaxiError, match="another `taxi up` of test"):
            supervised_home(tmp_path, "test").__enter__()
        processes.stop(test)
        assert left.wait() < 0


def test_a_home_has_one_cluster(tmp_path: Path) -> None:
    with (
        only_cluster(tmp_path),
        pytest.raises(TaxiError, match="another environment's `taxi up --cluster` runs in"),
        only_cluster(tmp_path),
    ):
        pass


HOLDER = """
import subprocess, sys
from pathlib import Path
from taxi_assets.cli.supervisor import processes
from taxi_assets.cli.supervisor.home import supervised_home
with supervised_home(Path(sys.argv[1])) as mark:
    left = processes.start([sys.executable, "-c", "import signal; signal.pause()"], {}, f"{mark}/x", subprocess.DEVNULL)
    print(left.pid, flush=True)
    sys.stdin.read()
"""


def test_a_killed_supervisor_frees_its_home_and_its_programs_are_ended(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-c", HOLDER, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        left = int(holder.stdout.readline())
        with pytest.raises(TaxiError, match="another `taxi up`"):
            supervised_home(home).__enter__()
        assert is_supervised(home)
        assert not is_supervised(tmp_path / "other")
        holder.kill()
    assert is_alive(left)
    with supervised_home(home):
        assert not is_alive(left)
        assert not is_supervised(home)
