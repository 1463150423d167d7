"""The recorder under faults: one leader at a time, taken over within 5 s, and every acked position in Postgres once."""
import json
import os
import re
import signal
import subprocess
import time

import psycopg
import pytest

from devices import Device, position as fix, worker_token
from views import PROGRAMS, FakeTracker, Stack, View, metrics, team_pb2, wait_for

WORKERS, TEAMS = 200, 4
LOCK = 5571010101  # the recorder's, tracker/store.c
STATUS = 9  # place of a worker's status in a row of a view


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
        client.socket.sendall(b"SUB _INBOX.here 1\r\n")
        data = json.dumps(body).encode() if body else b""
        client.socket.sendall(f"PUB $JS.API.{call} _INBOX.here {len(data)}\r\n".encode() + data + b"\r\n")
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
    with psycopg.connect(stack.database_url_of("muster_recorder"), autocommit=True) as hung:
        hung.execute("SET idle_session_timeout = '3s'")
        hung.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        hung.pgconn.enter_pipeline_mode()
        hung.pgconn.send_query_params(b"BEGIN", None)
        hung.pgconn.send_flush_request()
        hung.pgconn.flush()
        stack.restart("tracker-1")
        assert await_leader(stack, "tracker-1") < 5


def test_the_leader_keeps_leading_while_nothing_happens_and_keeps_its_session_while_nats_is_away(start):
    stack = start()
    first = leader(stack)
    time.sleep(5)
    elected = {name: len(re.findall("recorder_elected", stack.process(name).log_text())) for name in stack.trackers}
    assert leader(stack) == first and elected == {name: name == first for name in stack.trackers}
    stack.process("nats").signal(signal.SIGSTOP)
    time.sleep(7)
    stack.process("nats").signal(signal.SIGCONT)
    leader(stack)
    for name in stack.trackers:
        assert "store_failed" not in stack.process(name).log_text()


def test_a_leader_that_cannot_reach_nats_makes_way_for_one_that_can(start):
    stack = start()
    stack.kill("tracker-1")
    stack.kill("tracker-2")
    cut = dict(stack.starts["tracker-1"])
    cut["command"] = [*cut["command"], "--nats-url", "nats://127.0.0.1:1"]
    stack.process("tracker-1").start(**cut)
    wait_for(lambda: "recorder_elected" in stack.process("tracker-1").log_text())
    stack.restart("tracker-2")
    assert await_leader(stack, "tracker-2") < 5
    device = connect(stack, "tracker-2", "seen")
    device.close()


# ---- exactly once ----


def test_nothing_is_lost_or_doubled_while_leaders_and_postgres_are_killed_again_and_again(start):
    stack = start()
    load = Load(stack, 24, workers=400)
    wait_for(lambda: count(stack) > WORKERS)
    for _ in range(3):
        killed = leader(stack)
        stack.kill(killed)
        time.sleep(1)
        stack.restart(killed)
        stack.kill("postgres", signal.SIGQUIT)
        time.sleep(0.5)
        stack.restart("postgres")
        time.sleep(1)
    check_recorded(stack, load.end())


def test_recording_goes_on_from_a_stream_that_was_made_anew(start):
    stack = start(options={"tracker": ["--round-most-ms", "4"]})  # the first one is to have many messages
    first = Load(stack, 3, interval_ms=100).end()
    check_recorded(stack, first)
    created = stream_info(stack)["created"]
    assert jetstream(stack, "STREAM.DELETE.MUSTER_LOG")["success"]
    stack.provision()
    second = Load(stack, 6, workers=20, interval_ms=500).end()
    assert stream_info(stack)["created"] != created
    wait_for(lambda: count(stack) >= first["acked"] + second["acked"], 20)
    assert count(stack) == first["acked"] + second["acked"]
    wait_for(lambda: position(stack) == stream_info(stack)["state"]["last_seq"])
    assert stream_info(stack)["state"]["first_seq"] == 1  # and the new one counts from there


# ---- what is new, old, or there already ----

MICROSECONDS = "(extract(epoch FROM taken_at) * 1000000)::bigint"


def history(stack):
    return [row[0] for row in ask(stack, f"SELECT {MICROSECONDS} FROM position_history ORDER BY 1")]


def last(stack):
    return [row[0] for row in ask(stack, f"SELECT {MICROSECONDS} FROM latest_position")]


class Ghost:
    """One worker's positions, each log batch in a transaction of its own."""

    def __init__(self, stack):
        self.stack, self.tracker, self.number = stack, FakeTracker(stack.nats_url), 0
        self.base = time.time_ns() // 1000 - 10_000_000

    def log(self, *seconds):
        self.number += 1
        self.tracker.log(self.number, [self.tracker.update("ann", self.at(n), "red") for n in seconds])
        wait_for(lambda: position(self.stack) == stream_info(self.stack)["state"]["last_seq"])

    def at(self, n):
        return self.base + n * 1_000_000


def test_backlog_behind_newer_positions_and_all_that_comes_again_is_recorded_once(start):
    stack = start(trackers=1)
    ghost = Ghost(stack)
    for batch in ([5], [6, 4, 6, 5, 3], [2, 1, 8, 8, 7], [1, 2, 3, 4, 5, 6, 7, 8], [9]):
        ghost.log(*batch)
    ghost.tracker.close()
    assert history(stack) == [ghost.at(n) for n in range(1, 10)]
    assert last(stack) == [ghost.at(9)]
    found = metrics(stack.own_url("tracker-1"))
    assert (found["muster_recorder_rows_total"], found["muster_recorder_duplicates_total"]) == (9, 11)
    assert set_aside(stack) == []


def test_tables_that_somebody_else_changes_do_not_stop_the_recorder(start):
    stack = start(trackers=1)
    ghost = Ghost(stack)
    ghost.log(1)
    with database(stack) as connection:
        connection.execute("INSERT INTO position_history SELECT worker_id, taken_at + interval '1 s', 0, 0, 0, 0, 0, 0, 0,"
                           " received_at FROM position_history")
    ghost.log(2, 3)  # 2 is there already, but is newer than all that is known
    assert history(stack) == [ghost.at(n) for n in (1, 2, 3)] and last(stack) == [ghost.at(3)]
    with database(stack) as connection:
        connection.execute("DELETE FROM latest_position")
    ghost.log(4)
    wait_for(lambda: len(of_all(stack, "muster_recorder_leader")) == 1)
    leader(stack)
    ghost.log(5)
    ghost.tracker.close()
    assert history(stack) == [ghost.at(n) for n in (1, 2, 3, 4, 5)] and last(stack) == [ghost.at(5)]
    assert set_aside(stack) == []


# ---- what is refused ----


def set_aside(stack):
    return ask(stack, "SELECT sequence, team, worker, taken_at, bytes, reason FROM set_aside ORDER BY id")


def test_a_row_that_postgres_refuses_is_set_aside_with_its_reason_and_stops_nothing(start):
    stack = start(trackers=1)
    sober = "ALTER TABLE position_history ADD CONSTRAINT sober CHECK (speed_cm_s IS DISTINCT FROM 99999)"
    with database(stack) as connection:
        connection.execute(sober)
        connection.execute("ALTER TABLE worker ADD CONSTRAINT honest CHECK (name <> 'mallory')")
    ghost = FakeTracker(stack.nats_url)
    base = time.time_ns() // 1000 - 10_000_000
    updates = [ghost.update(f"w{n % 50}", base + n, "red") for n in range(300)]
    for n in (7, 150, 299):
        updates[n].position.speed_cm_s = 99999
    updates.append(ghost.update("mallory", base, "red"))
    ghost.log(1, updates)
    ghost.log(2, [ghost.update("late", base, "red")])
    wait_for(lambda: count(stack) == 298)
    ghost.close()
    rows = set_aside(stack)
    assert [row[1:3] for row in rows] == [("red", f"w{n % 50}") for n in (7, 150, 299)] + [("red", "mallory")]
    assert all('23514' in row[5] and "sober" in row[5] for row in rows[:3]) and "honest" in rows[3][5]
    assert [int(row[3].timestamp() * 1e6 + 0.5) for row in rows[:3]] == [base + n for n in (7, 150, 299)]
    kept = [team_pb2.LogBatch.FromString(bytes(row[4])).updates for row in rows]
    assert [list(batch) for batch in kept] == [[updates[n]] for n in (7, 150, 299, 300)]
    wait_for(lambda: position(stack) == stream_info(stack)["state"]["last_seq"])
    assert metrics(stack.own_url("tracker-1"))["muster_recorder_set_aside_total"] == 4


def test_poison_from_a_stranger_on_nats_is_set_aside(start):
    stack = start(trackers=1)
    ghost = FakeTracker(stack.nats_url)
    now = ghost.started_at_us

    def presence(worker, **how):
        fields = {"online": False, "session_us": now, "at_us": now, "reason": "closed", "reports": 1} | how
        return team_pb2.Update(worker=worker, team="red", presence=fields, received_at_us=now)

    batch = team_pb2.LogBatch(tracker="ghost", started_at_us=1, number=1, updates=[
        presence("good"), presence("text", reason="POISON"), presence("session", session_us=2**63 - 1),
        presence("before", session_us=-2**63), presence("at", at_us=-2**63), ghost.update("stamp", 2**62, "red"),
        presence("reports", reports=2**64 - 1), ghost.update("fine", now, "red")])
    raw = batch.SerializeToString().replace(b"POISON", b"\xff\x00\xc3(\xfe\xed")
    for body in (raw, b"\x22\x7fno batch", b"", team_pb2.LogBatch(tracker="ghost", updates=[presence("x y")]).SerializeToString()):
        ghost._send(f"PUB muster.log.0 {len(body)}\r\n".encode() + body + b"\r\n")
    ghost.log(2, [ghost.update("after", now, "red")])
    wait_for(lambda: count(stack) == 2)
    ghost.close()
    rows = set_aside(stack)
    reasons = {row[2]: row[5] for row in rows if row[2]}
    assert set(reasons) == {"text", "session", "before", "at", "stamp"}
    assert "22021" in reasons["text"] and "out of range" in reasons["session"]
    assert sorted(row[5] for row in rows if not row[2]) == ["it is no log batch"] * 2 + ["it is no update"]
    recorded = {name for name, in ask(stack, "SELECT name FROM worker")}
    assert {"good", "fine", "after"} <= recorded


# ---- partitions ----

DAY_US = 86400 * 1_000_000


def partitions(stack):
    """Days that have a table, attached or not, as YYYYMMDD."""
    return [name[-8:] for name, in ask(stack, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~"
                                              " '^position_history_[0-9]{8}$' ORDER BY 1")]


def day(ahead):
    return time.strftime("%Y%m%d", time.gmtime(time.time() + ahead * 86400))


def test_partitions_are_made_ahead(start):
    stack = start(trackers=1)
    wait_for(lambda: set(partitions(stack)) >= {day(0), day(1), day(2)})


def test_old_partitions_are_dropped_without_blocking_anyone_and_after_the_last_reader(start):
    stack = start(trackers=1)
    ghost = FakeTracker(stack.nats_url)
    now = ghost.started_at_us
    ghost.log(1, [ghost.update("w", now - ago * DAY_US, "red") for ago in (9, 8, 7, 1, 0)])
    wait_for(lambda: count(stack) == 5)
    stack.kill("tracker-1", signal.SIGTERM)
    stack.starts["tracker-1"]["command"] += ["--retention-days", "3"]
    with psycopg.connect(stack.database_url) as reader:
        reader.execute("SELECT count(*) FROM position_history")
        stack.restart("tracker-1")
        leader(stack)
        slowest = 0
        for number in range(2, 14):
            begun = time.monotonic()
            ghost.log(number, [ghost.update("w", now + number, "red"), ghost.update("w", now - 9 * DAY_US + number, "red")])
            wait_for(lambda n=number: position(stack) == stream_info(stack)["state"]["last_seq"] >= n)
            slowest = max(slowest, time.monotonic() - begun)
            with database(stack) as writer:
                writer.execute("SET lock_timeout = '500ms'")
                writer.execute("SELECT count(*) FROM position_history")
                writer.execute("INSERT INTO position_history (worker_id, taken_at, latitude_e7, longitude_e7, received_at)"
                               " VALUES (1, now(), 0, 0, now())")
            time.sleep(0.25)
        assert {day(-9), day(-8), day(-7)} <= set(partitions(stack))
        assert ask(stack, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)]
        assert slowest < 2
    wait_for(lambda: not {day(-9), day(-8), day(-7)} & set(partitions(stack)), 20)
    assert {day(-1), day(0)} <= set(partitions(stack))
    assert count(stack) == 2 + 2 * 12 and set_aside(stack) == []
    ghost.close()


# ---- the log ----


def test_the_log_is_trimmed_behind_the_recorder_and_nowhere_else(start):
    stack = start(options={"tracker": ["--log-keep-s", "1", "--round-most-ms", "4"]})  # many small log batches
    assert stream_info(stack)["config"]["max_age"] == 0
    load = Load(stack, 16)
    wait_for(lambda: stream_info(stack)["state"]["first_seq"] > 50, 20)
    kept = []
    for _ in range(30):
        kept.append(stream_info(stack)["state"]["messages"])
        time.sleep(0.05)
    assert min(kept) > 50, "what was recorded less than a second ago must stay"
    stack.kill("postgres", signal.SIGQUIT)
    trimmed = stream_info(stack)["state"]["first_seq"]
    time.sleep(4)
    state = stream_info(stack)["state"]
    assert state["first_seq"] == trimmed and state["messages"] > 200
    stack.restart("postgres")
    report = load.end()
    check_recorded(stack, report)
    wait_for(lambda: stream_info(stack)["state"]["messages"] < 20)
    assert sum(of_all(stack, "muster_recorder_skipped_total").values()) == 0
    manager = stack.exports["MUSTER_MANAGER_TOKEN"]
    team = ask(stack, "SELECT team FROM worker LIMIT 1")[0][0]
    with View(stack.own_url("gateway-1"), team, manager) as view:
        view.until("snapshot")
        assert len(view.rows) == ask(stack, "SELECT count(*) FROM worker WHERE team = %s", team)[0][0]


# ---- the dead ----


def connect(stack, tracker, worker, team="red"):
    """A device that has told one position to this tracker; and it is recorded as online."""
    device = Device(stack.own_device_address(tracker))
    device.hello(worker_token(stack.key, worker, team))
    device.report(fix())
    assert device.receive().ack.report == 1
    wait_for(lambda: state(stack, worker) == (True, tracker))
    return device


def state(stack, worker):
    rows = ask(stack, "SELECT online, tracker FROM worker WHERE name = %s", worker)
    return rows[0] if rows else None


def view_until(view, worker, online):
    """Reads the view until it says so of the worker."""
    view.patience_s = 15
    view.until_rows(lambda rows: worker in rows and (rows[worker][STATUS] != "offline") == online,
                    f"{worker} {'online' if online else 'offline'}")


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_workers_of_a_killed_tracker_that_do_not_return_are_offline_within_10_s(start, who):
    stack = start()
    first = leader(stack)
    victim = first if who == "leader" else next(name for name in stack.trackers if name != first)
    other = next(name for name in stack.trackers if name != victim)
    lost, kept = connect(stack, victim, "lost"), connect(stack, other, "kept")
    with View(stack.own_url("gateway-1"), "red", stack.exports["MUSTER_MANAGER_TOKEN"]) as view:
        view_until(view, "lost", True)
        stack.kill(victim)
        begun = time.monotonic()
        view_until(view, "lost", False)
        wait_for(lambda: state(stack, "lost") == (False, victim))
        took = time.monotonic() - begun
        print(f"offline after {took:.1f} s")
        assert took < 10
        assert view.rows["kept"][STATUS] != "offline"
    ended = ask(stack, "SELECT name, reason FROM session JOIN worker ON id = worker_id WHERE disconnected_at IS NOT NULL")
    assert ended == [("lost", "tracker_lost")]
    lost.close()
    kept.close()


def test_sessions_of_the_process_before_are_over_when_a_tracker_is_restarted(start):
    stack = start()
    lost = connect(stack, "tracker-2", "lost")
    stack.kill("tracker-2")
    stack.restart("tracker-2")
    wait_for(lambda: state(stack, "lost") == (False, "tracker-2"), 12)
    lost.close()


def test_workers_of_a_tracker_that_hung_are_online_again_when_it_returns(start):
    stack = start()
    device = connect(stack, "tracker-2", "back")
    with View(stack.own_url("gateway-1"), "red", stack.exports["MUSTER_MANAGER_TOKEN"]) as view:
        view_until(view, "back", True)
        stack.process("tracker-2").signal(signal.SIGSTOP)
        try:
            view_until(view, "back", False)
            time.sleep(1)
        finally:
            stack.process("tracker-2").signal(signal.SIGCONT)
        view_until(view, "back", True)
        wait_for(lambda: state(stack, "back") == (True, "tracker-2"))
        device.report(fix())
        assert device.receive().ack.report == 2
    device.close()
    wait_for(lambda: state(stack, "back") == (False, "tracker-2"))
    assert ask(stack, "SELECT reason FROM session ORDER BY connected_at")[0] == ("tracker_lost",)


def test_nobody_is_taken_for_dead_because_nats_was_away(start):
    stack = start()
    devices = [connect(stack, tracker, f"at-{tracker}") for tracker in stack.trackers]
    stack.process("nats").signal(signal.SIGSTOP)
    time.sleep(8)
    stack.process("nats").signal(signal.SIGCONT)
    time.sleep(9)
    for tracker in stack.trackers:
        assert state(stack, f"at-{tracker}") == (True, tracker)
        assert "event=not_buried" not in stack.process(tracker).log_text()
    assert ask(stack, "SELECT count(*) FROM session WHERE reason = 'tracker_lost'") == [(0,)]
    for device in devices:
        device.close()
