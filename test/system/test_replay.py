"""A recorded day of real taxis, replayed at full speed: every row, and every taxi's last fix, exactly as in the file."""
import csv
import json
import os
import subprocess
from datetime import datetime
from decimal import Decimal

import psycopg
import pytest

from views import PROGRAMS, ROOT, Stack, View, fetch, wait_for

TRACES = ROOT.parent / "shared" / "data" / "wuxi-taxis.csv"
TEAMS = 7

pytestmark = pytest.mark.skipif(not TRACES.exists(), reason=f"the taxi traces are not at {TRACES}")


def fixes():
    """(worker, taken_at in microseconds, latitude, longitude in 1e-7 degrees), without rounding on the way."""
    with open(TRACES, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            taken_at = datetime.fromisoformat(row["time"].replace("Z", "+00:00"))
            yield (row["worker"], int(taken_at.timestamp()) * 1_000_000,
                   int(Decimal(row["latitude"]) * 10**7), int(Decimal(row["longitude"]) * 10**7))


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    here = Stack(tmp_path_factory.mktemp("replay"), PROGRAMS, trackers=2, gateways=2)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"


def replay(stack, report):
    command = [PROGRAMS / "muster-simulator", "--replay", TRACES, "--as-fast-as-acked", "--teams", str(TEAMS),
               "--connect", stack.device_address, "--report", report]
    subprocess.run(command, env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, check=True, timeout=60,
                   stdout=subprocess.DEVNULL)
    return json.loads(report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def replayed(stack, tmp_path_factory):
    return replay(stack, tmp_path_factory.mktemp("reports") / "first.json")


@pytest.fixture
def database(stack):
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        yield connection


def count(database, table):
    return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_every_fix_is_acked(replayed):
    assert (replayed["sent"], replayed["acked"], replayed["unacked"]) == (20188, 20188, 0)
    assert replayed["refused"] == {} and replayed["reconnects"] == 0


def test_history_and_last_fixes_equal_the_file(replayed, database):
    wait_for(lambda: count(database, "position_history") == 20188)
    assert count(database, "latest_position") == 475
    columns = ("name, (extract(epoch FROM taken_at) * 1000000)::bigint, latitude_e7, longitude_e7 FROM {}"
               " JOIN worker ON id = worker_id")
    everything = set(database.execute("SELECT " + columns.format("position_history")))
    assert everything == set(fixes())
    last = {}
    for fix in fixes():
        if fix[0] not in last or fix[1] > last[fix[0]][1]:
            last[fix[0]] = fix
    assert set(database.execute("SELECT " + columns.format("latest_position"))) == set(last.values())


def test_a_view_of_each_gateway_shows_the_last_fixes(stack, replayed, database):
    wait_for(lambda: count(database, "position_history") == 20188)
    admin = stack.mint("--role", "admin", "--subject", "ops")
    expected = {}
    for team, name, longitude, latitude in database.execute(
            "SELECT team, name, longitude_e7, latitude_e7 FROM latest_position JOIN worker ON id = worker_id"):
        expected.setdefault(team, {})[name] = (longitude, latitude)
    assert len(expected) == TEAMS
    for gateway in stack.gateways:
        for team, workers in expected.items():
            with View(stack.own_url(gateway), team, admin) as view:
                view.until("snapshot")
                shown = {name: (round(row[2] * 1e7), round(row[3] * 1e7)) for name, row in view.rows.items()}
            assert shown == workers
    listed = json.loads(fetch(stack.http_url + "/api/v1/teams", admin)[2])["teams"]
    assert {team["team"]: team["workers"] for team in listed} == {team: len(w) for team, w in expected.items()}


def test_replaying_again_adds_nothing(stack, replayed, database, tmp_path):
    wait_for(lambda: count(database, "position_history") == 20188)
    again = replay(stack, tmp_path / "again.json")
    assert (again["acked"], again["unacked"]) == (20188, 0)
    sequence = "SELECT sequence FROM stream_position"
    before = database.execute(sequence).fetchone()
    wait_for(lambda: database.execute("SELECT count(*) FROM session WHERE reports IS NOT NULL").fetchone()[0] >= 950)
    assert database.execute(sequence).fetchone() >= before
    assert count(database, "position_history") == 20188
    assert count(database, "latest_position") == 475
