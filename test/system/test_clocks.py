"""Clocks that are wrong: devices by a day, servers that are stepped by an hour while they run (libfaketime)."""
import json
import os
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from views import PROGRAMS, Stack, View, wait_for

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
WORKERS, SECONDS, TEAM = 40, 12, "team-1"

# libfaketime reads and writes its own state from several threads without a lock, which the thread sanitizer reports.
WATCHED = b"libtsan" in (PROGRAMS / "muster-tracker").read_bytes()

pytestmark = [pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed"),
              pytest.mark.skipif(WATCHED, reason="libfaketime has data races of its own")]


def faked(**more):
    """Programs with the address sanitizer want it to come before all other libraries, which a preloaded one does."""
    return {"LD_PRELOAD": str(LIBRARY), "DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0", **more}


def simulate(stack, report, env=None):
    command = [PROGRAMS / "muster-simulator", "--workers", WORKERS, "--teams", 1, "--duration", SECONDS,
               "--connect", stack.device_address, "--report", report]
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                            env=os.environ | {"MUSTER_WORKER_KEY": stack.key} | (env or {}))


def check_nothing_lost(stack, process, report):
    assert process.wait(60) == 0
    result = json.loads(report.read_text(encoding="utf-8"))
    assert result["sent"] == result["acked"] == WORKERS * SECONDS
    assert result["refused"] == {} and result["errors"] == 0
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        wait_for(lambda: database.execute("SELECT count(*) FROM position_history").fetchone()[0] == WORKERS * SECONDS)
        return database.execute(
            "SELECT max(abs(extract(epoch FROM taken_at - received_at))) FROM position_history").fetchone()[0]


@pytest.mark.parametrize("offset", ["+24h", "-24h"])
def test_devices_a_day_off_are_put_right(tmp_path, offset):
    stack = Stack(tmp_path / "run", PROGRAMS, trackers=1, gateways=1)
    stack.up()
    try:
        process = simulate(stack, tmp_path / "report.json", faked(FAKETIME=offset))
        assert check_nothing_lost(stack, process, tmp_path / "report.json") < 5
    finally:
        assert stack.down() == []


@pytest.mark.parametrize("step", ["+1h", "-1h"])
def test_servers_stepped_by_an_hour(tmp_path, step):
    """Every program of ours is stepped at once; no worker may freeze on the map, and none may jump back."""
    clock = tmp_path / "clock"
    clock.write_text("+0s", encoding="utf-8")
    stack = Stack(tmp_path / "run", PROGRAMS, trackers=2, gateways=1, environment=faked(FAKETIME_TIMESTAMP_FILE=str(clock)))
    stack.up()
    try:
        token = stack.mint("--role", "admin", "--subject", "ops")
        process = simulate(stack, tmp_path / "report.json")
        with psycopg.connect(stack.database_url, autocommit=True) as database:
            wait_for(lambda: database.execute("SELECT count(*) FROM worker").fetchone()[0] == WORKERS)
        with View(stack.own_url("gateway-1"), TEAM, token) as view:
            view.until("snapshot")
            time.sleep(2)
            clock.write_text(step, encoding="utf-8")
            newest, moved_at = {}, {}
            end = time.monotonic() + SECONDS - 6
            while time.monotonic() < end:
                view.next()
                for name, row in view.rows.items():
                    taken_at = row[1] or 0  # none before the first fix
                    assert taken_at >= newest.get(name, 0), f"{name} jumped back"
                    if taken_at > newest.get(name, 0):
                        newest[name], moved_at[name] = taken_at, time.monotonic()
            assert len(moved_at) == WORKERS
            frozen = [name for name, at in moved_at.items() if time.monotonic() - at > 3]
            assert not frozen
        check_nothing_lost(stack, process, tmp_path / "report.json")
    finally:
        assert stack.down() == []
