"""recorder: how fast it catches up. The stream holds what 15,000 workers at 1 Hz sent in a minute, as the tracker
published it while Postgres was away. Then a tracker is started and its recorder writes it all, again and again, each time
into an empty history. The floor is COPY BINARY of the same rows into the same table, in transactions of the same size."""
import re
import time

import psycopg

from figures import Invalid, compare, unsure
from rig import Child, Rig
from workload import say

WORKERS, TEAMS, FILL_S, PATIENCE_S = 15000, 300, 60, 60
POLL_S = 0.01  # 0.5 % of a turn
SUM = ("SELECT count(*), sum(hashtextextended(row::text, 0)) FROM (SELECT worker_id, taken_at, latitude_e7, longitude_e7,"
       " speed_cm_s, heading_cdeg, accuracy_cm, altitude_cm, battery_percent, received_at FROM {}) AS row")
NEWEST = "(SELECT DISTINCT ON (worker_id) * FROM position_history ORDER BY worker_id, taken_at DESC) AS newest"


class Log:
    """The filled stream: what is between two of its sequence numbers, positions of all workers and nothing else."""

    def __init__(self, rig):
        self.rig = rig
        rig.stack.kill("postgres", rig.stack.postgres.stop_signal)
        rig.start_devices(WORKERS, TEAMS, connect_rate=4000)
        time.sleep(1)  # positions of those who came last are on their way
        self.first, _ = self.state()
        time.sleep(FILL_S)
        # First the tracker: it would say of each worker that it has gone.
        rig.stack.kill("tracker-1")
        rig.devices.kill()
        self.last, created = self.state()
        rig.stack.restart("postgres")
        self.database = psycopg.connect(rig.stack.database_url, autocommit=True)
        self.database.execute("INSERT INTO stream_position VALUES ('MUSTER_LOG', %s, %s)", (created, self.first))

    def state(self):
        """The stream's last sequence number, and when it was made."""
        details = self.rig.nats("jsz?streams=true&config=true")["account_details"][0]["stream_detail"]
        found = next(stream for stream in details if stream["name"] == "MUSTER_LOG")
        # In microseconds, not rounded: so the recorder takes it.
        return found["state"]["last_seq"], re.sub(r"(\.\d{6})\d+", r"\1", found["created"])

    def reset(self):
        """Nothing of it is recorded, but all workers are known, and have a last position that is older."""
        self.database.execute("TRUNCATE position_history, latest_position, stream_mark")
        self.database.execute("INSERT INTO latest_position SELECT id, to_timestamp(0), 0, 0, 0, 0, 0, 0, 0, to_timestamp(0)"
                              " FROM worker")
        self.database.execute("UPDATE stream_position SET sequence = %s", (self.first,))
        self.database.execute("VACUUM ANALYZE latest_position, worker, stream_position")

    def await_end(self):
        """When all of it is recorded. It asks Postgres, because asking the tracker would cost it more."""
        deadline = time.monotonic() + PATIENCE_S
        while self.database.execute("SELECT sequence FROM stream_position").fetchone()[0] < self.last:
            if time.monotonic() > deadline:
                raise Invalid("the recorder does not come to the end of the log")
            time.sleep(POLL_S)
        return time.monotonic()

    def sums(self):
        """What is in the history now, and whether the last positions are its newest."""
        history = self.database.execute(SUM.format("position_history")).fetchone()
        newest, last = (self.database.execute(SUM.format(table)).fetchone() for table in (NEWEST, "latest_position"))
        return history, newest == last


def recorder_metrics(rig):
    found = rig.tracker_metrics("tracker-1")
    return {name.removeprefix("muster_recorder_"): value for name, value in found.items() if "muster_recorder" in name}


def await_first(rig):
    """When the first transaction is committed, and how many rows it had."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if rows := recorder_metrics(rig)["rows_total"]:
                return time.monotonic(), rows
        except OSError:  # the tracker does not answer yet
            pass
        if time.monotonic() > deadline:
            raise Invalid("the recorder does not begin")
        time.sleep(POLL_S)


def record(rig, log):
    """The recorder's turn: (µs per row, rows, rows in a transaction). It counts from the first commit: connecting and
    asking for the workers' ids is done once."""
    log.reset()
    rig.stack.start_again("tracker-1")
    try:
        begun, before = await_first(rig)
        ended = log.await_end()
        time.sleep(POLL_S)  # the metrics come after the commit
        found = recorder_metrics(rig)
    finally:
        rig.stack.kill("tracker-1")
    rows = found["rows_total"]
    if found["duplicates_total"] or found["set_aside_total"]:
        raise Invalid("the recorder found duplicates, or could not write what it read")
    history, latest_good = log.sums()
    if history[0] != rows or not latest_good:
        raise Invalid(f"{rows:.0f} rows were recorded, {history[0]} are there; last positions are right: {latest_good}")
    return (ended - begun) / (rows - before) * 1e6, history, rows / found["batches_total"]


def copy(log, floor):
    """The floor's turn."""
    log.reset()
    floor.tell("go")
    us = floor.hear()["us"]
    history, _ = log.sums()
    return us / history[0], history


def run(plan):
    rounds, controls = [], []
    with Rig(plan.folder("recorder"), plan.build) as rig:
        log = Log(rig)
        _, truth, batch_rows = record(rig, log)  # a turn that makes the workers, and does not count
        say(f"recorder: {truth[0]} rows, {log.last - log.first} messages, {batch_rows:.0f} rows in a transaction")
        floor = Child([rig.tools / "copy", rig.stack.database_url, str(round(batch_rows))])
        rig.children.append(floor)
        if floor.hear()["rows"] != truth[0]:
            raise Invalid("the floor has not got all rows")
        while len(rounds) < plan.rounds or (len(rounds) < plan.most_pairs and unsure(controls)):
            (first, *one), (middle, *two), (again, *three) = record(rig, log), copy(log, floor), record(rig, log)
            if not one[0] == two[0] == three[0] == truth:
                raise Invalid("what was written is not the same")
            rounds.append(((first + again) / 2, middle))
            controls.append((again, first))
            say(f"recorder {len(rounds)}: ours {first:.2f}, floor {middle:.2f}, ours {again:.2f} µs per row; "
                f"{1e6 / rounds[-1][0]:.0f} rows/s, {middle / rounds[-1][0]:.2f} x the floor's")
        floor.end()
        log.database.close()
    return compare("recorder: time per row / COPY BINARY", rounds, controls, 1.25, "µs")
