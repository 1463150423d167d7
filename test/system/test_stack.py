"""make up, status, down, demo and clean, as a newcomer uses them, in a folder of the test's own."""
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from views import PROGRAMS, ROOT, fetch, wait_for

MAIN = ROOT / "deploy" / "local" / "main.py"


def command(run, name, *options):
    programs = os.path.relpath(PROGRAMS)  # as make names them
    return [sys.executable, str(MAIN), name, "--run", str(run), "--programs", programs, "--https-port", "0",
            "--device-tls-port", "0", *map(str, options)]


def muster(run, name, *options):
    return subprocess.run(command(run, name, *options), capture_output=True, encoding="utf-8", timeout=90, check=False)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    yield folder
    if folder.exists():
        muster(folder, "clean")


def exports(run):
    """What a shell has after `. .run/env`."""
    shell = subprocess.run(["sh", "-c", f". '{run}/env' && env -0"], capture_output=True, encoding="utf-8", check=True)
    return dict(line.split("=", 1) for line in shell.stdout.split("\0") if line.startswith("MUSTER_"))


def test_up_gives_every_address_and_down_stops_only_that(run, tmp_path):
    other = subprocess.Popen(["sleep", "100"])
    device_port, http_port = free_port(), free_port()
    done = muster(run, "up", "--trackers", 2, "--gateways", 2, "--device-port", device_port, "--http-port", http_port)
    assert done.returncode == 0, done.stderr
    env = exports(run)
    assert env["MUSTER_DEVICE_ADDR"] == f"127.0.0.1:{device_port}"
    assert env["MUSTER_HTTP_URL"] == f"http://127.0.0.1:{http_port}"
    assert (run / "env").stat().st_mode & 0o077 == 0, "others can read the keys"
    assert fetch(env["MUSTER_HTTP_URL"] + "/api/v1/teams", env["MUSTER_MANAGER_TOKEN"])[0] == 200
    with psycopg.connect(env["MUSTER_DATABASE_URL"]) as database:
        assert database.execute("SELECT count(*) FROM worker").fetchone() == (0,)
    report = subprocess.run([PROGRAMS / "muster-simulator", "--workers", "10", "--duration", "2"],
                            env=os.environ | env, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert report.returncode == 0, report.stderr

    status = muster(run, "status")
    assert status.returncode == 0 and status.stdout.count("ready") == 7

    again = muster(run, "up", "--device-port", device_port, "--http-port", http_port)
    assert again.returncode == 0 and "already" in again.stdout

    assert muster(run, "down").returncode == 0
    assert not (run / "env").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", device_port))
    assert other.poll() is None
    other.kill()
    other.wait()


def test_data_outlives_down_and_up(run):
    assert muster(run, "up", "--trackers", 1, "--gateways", 1, "--device-port", 0, "--http-port", 0).returncode == 0
    with psycopg.connect(exports(run)["MUSTER_DATABASE_URL"]) as database:
        database.execute("INSERT INTO worker (team, name) VALUES ('team-1', 'kept')")
    muster(run, "down")
    assert muster(run, "up", "--trackers", 1, "--gateways", 1, "--device-port", 0, "--http-port", 0).returncode == 0
    with psycopg.connect(exports(run)["MUSTER_DATABASE_URL"]) as database:
        assert database.execute("SELECT name FROM worker").fetchall() == [("kept",)]


def test_a_busy_port_is_named_before_anything_starts(run):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = muster(run, "up", "--device-port", free_port(), "--http-port", port)
    assert done.returncode == 1
    assert str(port) in done.stderr and "HTTP_PORT=" in done.stderr
    assert muster(run, "status").stdout.startswith("nothing runs")


def test_impossible_ports_are_refused_in_a_line(run):
    port = free_port()
    for options in (["--device-port", 99999], ["--device-port", port, "--http-port", port]):
        done = muster(run, "up", *options)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr


def test_status_tells_what_died(run):
    assert muster(run, "up", "--trackers", 1, "--gateways", 1, "--device-port", 0, "--http-port", 0).returncode == 0
    line = next(line for line in muster(run, "status").stdout.splitlines() if line.startswith("gateway-1"))
    os.kill(int(line.split()[2]), signal.SIGKILL)
    status = wait_for(lambda: (s := muster(run, "status")).returncode and s)
    assert "gateway-1" in status.stdout and "died" in status.stdout


def test_clean_leaves_nothing(run):
    assert muster(run, "up", "--trackers", 1, "--gateways", 1, "--device-port", 0, "--http-port", 0).returncode == 0
    assert muster(run, "clean").returncode == 0
    assert not Path(run).exists()


def test_a_demo_runs_until_ctrl_c_and_stops_everything(run):
    port = free_port()
    demo = subprocess.Popen(command(run, "demo", "--workers", 20, "--teams", 2, "--device-port", 0, "--http-port", port),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))  # as in a background job
    lines = []
    while not any(line.startswith("Ctrl-C") for line in lines):
        lines.append(demo.stdout.readline())
        assert lines[-1], "".join(lines)
    link = next(word for line in lines for word in line.split() if "#token=" in word)
    token = link.split("#token=")[1]

    def online():
        answer = fetch(f"http://127.0.0.1:{port}/api/v1/teams", token)[2].decode()
        return answer.count('"online":10') == 2

    wait_for(online)
    status = muster(run, "status")
    assert status.returncode == 0 and "simulator" in status.stdout, status.stderr
    time.sleep(1)
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=30)
    assert demo.returncode == 0, rest
    assert "acked" in rest, "the simulator's report is missing"
    assert muster(run, "status").stdout.startswith("nothing runs")
