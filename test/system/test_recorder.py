"""The recorder under faults: one leader at a time, taken over within 5 s, and every acked position in Postgres once."""
import json
import os
import re
import signal
import subprocess
import time

import psycopg
import pytest

from views import PROGRAMS, FakeTracker, Stack, View, metrics, wait_for

WORKERS, TEAMS = 200, 4
LOCK = 5571010101  # the recorder's, tracker/store.c


@pytest.fixture
def start(tmp_path):
    """start(**how) brings up a stack; at the end all of it must stop cleanly."""
    stacks = []

    def up(**how):
        here = Stack(tmp_path, PROGRAMS, **({"trackers": 2, "gateways": 1} | how))
        stacks.append(here)
        here.up()
        return here

    yield up
    for here in stacks:
        assert here.down() == [], "programs had to be killed"
        for name, process in here.processes.items():
            assert "Sanitizer" not in process.log_text(), name


class Load:
    """A simulator that runs for some seconds; end() waits for it and returns its report."""

    def __init__(self, stack, seconds, workers=WORKERS, teams=TEAMS, interval_ms=200):
        self.file = stack.run / "report.json"
        command = [PROGRAMS / "muster-simulator", "--workers", workers, "--teams", teams, "--interval-ms", interval_ms,
                   "--duration", seconds, "--connect", stack.device_address, "--report", self.file]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL,
                                        env=os.environ | {"MUSTER_WORKER_KEY": stack.key})

    def end(self, seconds=90):
        assert self.process.wait(seconds) == 0
        report = json.loads(self.file.read_text(encoding="utf-8"))
        assert report["sent"] == report["acked"] > 0
        return report


def database(stack):
    return psycopg.connect(stack.database_url, autocommit=True)


def ask(stack, sql, *values):
    with database(stack) as connection:
        return connection.execute(sql, values).fetchall()


def count(stack, table="position_history"):
    return ask(stack, f"SELECT count(*) FROM {table}")[0][0]


def of_all(stack, name):
    """A metric of every tracker that runs and answers, by tracker."""
    return {tracker: metrics(stack.own_url(tracker))[name] for tracker in stack.trackers
            if stack.process(tracker).alive()}


def leader(stack):
    return wait_for(lambda: next((name for name, leads in of_all(stack, "muster_recorder_leader").items() if leads), None))


def await_leader(stack, name):
    """Waits until that tracker leads; how many seconds it took."""
    begun = time.monotonic()
    wait_for(lambda: metrics(stack.own_url(name))["muster_recorder_leader"] == 1, 20)
    return time.monotonic() - begun


def check_recorded(stack, report):
    """Everything acked is in the history, once; the last positions agree; and the stream position is the stream's end."""
    wait_for(lambda: count(stack) >= report["acked"], 30)
    assert count(stack) == report["acked"]
    wrong = ("SELECT count(*) FROM (SELECT worker_id, max(taken_at) AS at FROM position_history GROUP BY 1) h"
             " FULL JOIN latest_position l USING (worker_id) WHERE l.taken_at IS DISTINCT FROM h.at")
    assert ask(stack, wrong)[0][0] == 0
    wait_for(lambda: position(stack) == stream_info(stack)["state"]["last_seq"], 30)


def position(stack):
    rows = ask(stack, "SELECT sequence FROM stream_position WHERE stream = 'MUSTER_LOG'")
    return rows[0][0] if rows else 0


def jetstream(stack, call, body=None):
    """One request of the NATS JetStream API, for example STREAM.INFO.MUSTER_LOG."""
    client = FakeTracker(stack.nats_url, "test")
    try:
        client.socket.sendall(b"SUB reply.here 1\r\n")
        data = json.dumps(body).encode() if body else b""
        client.socket.sendall(f"PUB $JS.API.{call} reply.here {len(data)}\r\n".encode() + data + b"\r\n")
        head = client.reader.readline().split()
        assert head[0] == b"MSG", head
        return json.loads(client.reader.read(int(head[-1])))
    finally:
        client.close()


def stream_info(stack):
    return jetstream(stack, "STREAM.INFO.MUSTER_LOG")


# ---- one leader ----


def test_a_leader_that_hangs_is_replaced_within_5_s_and_returns_without_harm(start):
    stack = start()
    load = Load(stack, 14)
    wait_for(lambda: count(stack) > WORKERS)
    hung = leader(stack)
    other = next(name for name in stack.trackers if name != hung)
    stack.process(hung).signal(signal.SIGSTOP)
    try:
        took = await_leader(stack, other)
        time.sleep(1)
    finally:
        stack.process(hung).signal(signal.SIGCONT)
    print(f"taken over after {took:.1f} s")
    assert took < 5
    wait_for(lambda: metrics(stack.own_url(hung))["muster_recorder_leader"] == 0)
    check_recorded(stack, load.end())
    assert leader(stack) == other


def test_a_leader_that_hangs_in_the_middle_of_a_pipeline_is_replaced(start):
    stack = start(trackers=1)
    stack.kill("tracker-1", signal.SIGTERM)
    with database(stack) as hung:
        hung.execute("SET idle_session_timeout = '3s'")
        hung.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        hung.pgconn.enter_pipeline_mode()
        hung.pgconn.send_query_params(b"BEGIN", None)
        hung.pgconn.send_flush_request()
        hung.pgconn.flush()
        stack.restart("tracker-1")
        assert await_leader(stack, "tracker-1") < 5


def test_the_leader_keeps_leading_while_nats_is_away_and_while_nothing_happens(start):
    stack = start()
    first = leader(stack)
    stack.process("nats").signal(signal.SIGSTOP)
    time.sleep(7)
    stack.process("nats").signal(signal.SIGCONT)
    time.sleep(4)
    assert leader(stack) == first
    for name in stack.trackers:
        text = stack.process(name).log_text()
        assert "store_failed" not in text and len(re.findall("recorder_elected", text)) == (name == first)
