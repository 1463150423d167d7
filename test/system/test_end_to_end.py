"""Everything together, at a few hundred positions a second: nothing lost, and every view equal to Postgres in the end,
also while replicas are killed. The same with 2,000 workers for a minute is in docs/testing.md."""
import json
import os
import subprocess
import time

import psycopg
import pytest

from views import PROGRAMS, Stack, fetch, wait_for

WORKERS, TEAMS, VIEWERS = 400, 5, 40


@pytest.fixture
def stack(tmp_path):
    here = Stack(tmp_path, PROGRAMS, trackers=2, gateways=2)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    for name, process in here.processes.items():
        assert "Sanitizer" not in process.log_text(), name


class Load:
    """A simulator that runs for some seconds; end() returns its report and its viewers' final states."""

    def __init__(self, stack, seconds):
        self.files = [stack.run / "report.json", stack.run / "views.json"]
        command = [PROGRAMS / "muster-simulator", "--workers", WORKERS, "--teams", TEAMS, "--duration", seconds,
                   "--viewers", VIEWERS, "--connect", stack.device_address, "--http", stack.http_url,
                   "--report", self.files[0], "--view-states", self.files[1]]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                                        env=os.environ | {"MUSTER_WORKER_KEY": stack.key})

    def end(self):
        assert self.process.wait(60) == 0
        return [json.loads(file.read_text(encoding="utf-8")) for file in self.files]


def check_against_postgres(stack, report, views):
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        history = "SELECT count(*) FROM position_history"
        wait_for(lambda: database.execute(history).fetchone()[0] >= report["sent"])
        assert database.execute(history).fetchone()[0] == report["sent"]
        teams = {}
        for team, *row in database.execute(
                "SELECT team, name, (extract(epoch FROM taken_at) * 1000000)::bigint, latitude_e7, longitude_e7"
                " FROM worker JOIN latest_position ON id = worker_id"):
            teams.setdefault(team, {})[row[0]] = row[1:]
    assert len(views) == VIEWERS
    for view in views:
        assert view["workers"] == teams[view["team"]], f"viewer {view['viewer']} of {view['team']}"


def metric(stack, name, key):
    lines = fetch(stack.own_url(name) + "/metrics")[2].decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(key))


def test_two_of_each_lose_nothing_and_show_the_truth(stack):
    load = Load(stack, 10)
    for tracker in stack.trackers:
        wait_for(lambda name=tracker: metric(stack, name, "muster_tracker_connections ") > WORKERS / 4)
    report, views = load.end()
    assert report["sent"] == report["acked"] == WORKERS * 10
    assert report["refused"] == {} and report["reconnects"] == 0 and report["viewer_reconnects"] == 0
    check_against_postgres(stack, report, views)
    recorders = [metric(stack, name, "muster_recorder_leader ") for name in stack.trackers]
    assert sorted(recorders) == [0, 1]


def test_killed_replicas_are_seen_as_reconnects_only(stack):
    load = Load(stack, 12)
    wait_for(lambda: metric(stack, "tracker-1", "muster_tracker_positions_total") > WORKERS)
    time.sleep(1)
    recorder = next(name for name in stack.trackers if metric(stack, name, "muster_recorder_leader "))
    stack.kill(recorder)
    stack.kill("gateway-2")
    report, views = load.end()
    assert report["sent"] == report["acked"] == WORKERS * 12
    assert report["errors"] == 0 and report["refused"] == {}
    assert report["reconnects"] > 0 and report["viewer_reconnects"] > 0
    check_against_postgres(stack, report, views)


def test_a_tracker_that_is_stopped_hands_over_and_returns(stack):
    load = Load(stack, 12)
    wait_for(lambda: metric(stack, "tracker-2", "muster_tracker_positions_total") > WORKERS)
    stack.kill("tracker-2", 15)
    assert stack.process("tracker-2").exit_status() == 0
    stack.restart("tracker-2")
    report, views = load.end()
    assert report["sent"] == report["acked"] == WORKERS * 12
    check_against_postgres(stack, report, views)


def test_nats_and_postgres_may_go_away_for_a_while(stack):
    load = Load(stack, 14)
    wait_for(lambda: metric(stack, "tracker-1", "muster_tracker_positions_total") > WORKERS)
    stack.kill("nats")
    time.sleep(2)
    stack.restart("nats")
    stack.kill("postgres", 3)
    time.sleep(2)
    stack.restart("postgres")
    report, views = load.end()
    assert report["sent"] == report["acked"] == WORKERS * 14
    check_against_postgres(stack, report, views)
