"""ingest: 15,000 workers at 1 Hz in 300 teams, taken in by one tracker. What a position costs there, in all its threads,
against a sink (sink.c) that takes in the same from as many devices, side by side. Another tracker is the recorder: that
has a floor of its own."""
import time

import psycopg

import meter
from figures import Invalid, compare, count, unsure
from rig import Rig
from simulator import Simulated, Sink, await_sending
from workload import say

DEVICES, FEW = 15000, 1000
ACKS_S = 8  # each device is acked once in this time, if it asks for no more
WINDOWS = 2
MOST_ROUNDS = 12
RECORDED_S = 60


class Taker:
    """A tracker, where simulator.py has its sink."""

    def __init__(self, rig, name):
        self.url, self.address = rig.stack.own_url(name), rig.stack.own_device_address(name)
        self.key, self.pid = rig.stack.key, rig.pid(name)

    def metric(self, name):
        return meter.metrics(self.url)[f"muster_tracker_{name}"]

    def taken(self):
        return self.metric("positions_total"), None

    def end(self):
        pass

    def kill(self):
        pass


def watch(sides, window_s):
    """CPU per position of what each simulator sends to, in µs, over the same time."""
    before = [(side.sink.taken()[0], meter.cpu_seconds(side.sink.pid)) for side in sides]
    time.sleep(window_s)
    found = []
    for side, (taken_before, cpu_before) in zip(sides, before):
        taken, cpu = side.sink.taken()[0] - taken_before, meter.cpu_seconds(side.sink.pid) - cpu_before
        planned = side.devices * window_s * 1000 / side.interval_ms
        if abs(taken - planned) > planned * 0.05:
            raise Invalid(f"{taken:.0f} positions were taken in, of {planned:.0f}")
        found.append(cpu / taken * 1e6)
    return found


def session(plan, number, sinks):
    """What watch() finds in some windows, one after the other. sinks: (sink, devices, interval_ms) of each side. Who comes
    first changes from session to session. It begins when the first acks have been sent: they are a part of the cost."""
    sides, order = {}, range(len(sinks)) if number % 2 == 0 else range(len(sinks) - 1, -1, -1)
    try:
        for which in order:
            sink, devices, interval_ms = sinks[which]
            sides[which] = Simulated(plan, plan.folder("ingest") / f"side-{which}", devices, sink, interval_ms)
        await_sending(sides.values())
        time.sleep(ACKS_S)
        found = [tuple(watch([sides[which] for which in range(len(sinks))], ACKS_S)) for _ in range(WINDOWS)]
        for side in sides.values():
            side.end()
    finally:
        for side in sides.values():
            side.kill()
    return found


def check_recorded(rig, taken):
    """Everything that was taken in is in Postgres, or was there already: the sides' workers have the same names, and now
    and then two of them the same microsecond."""
    deadline = time.monotonic() + RECORDED_S
    with psycopg.connect(rig.stack.database_url, autocommit=True) as database:
        while True:
            rows, = database.execute("SELECT count(*) FROM position_history").fetchone()
            twice = sum(rig.tracker_metrics(name)["muster_recorder_duplicates_total"] for name in rig.stack.trackers)
            if rows + twice == taken:
                break
            if time.monotonic() > deadline:
                raise Invalid(f"{rows} positions and {twice:.0f} twice are in Postgres, of {taken:.0f}")
            time.sleep(0.5)
    say(f"ingest: all {taken:.0f} positions are in Postgres ({twice:.0f} of them came twice)")


def run(plan):
    with Rig(plan.folder("ingest"), plan.build, trackers=3) as rig:
        one, other = (Taker(rig, name) for name in rig.others())
        rounds, controls, few = [], [], []
        while len(rounds) < plan.rounds or (len(rounds) < MOST_ROUNDS and unsure(controls)):
            number = len(rounds) // WINDOWS
            rounds += session(plan, number, [(one, DEVICES, 1000), (Sink(plan), DEVICES, 1000)])
            controls += session(plan, number, [(one, DEVICES // 2, 1000), (other, DEVICES // 2, 1000)])
            for (ours, floor), (half, again) in zip(rounds[-WINDOWS:], controls[-WINDOWS:]):
                say(f"ingest: ours {ours:.2f}, sink {floor:.2f} µs; half as many devices {half:.2f}, {again:.2f} µs")
        for number in range(2):
            few += session(plan, number, [(one, DEVICES // 2, 1000), (other, FEW // 2, FEW * 1000 // DEVICES)])
            say(f"ingest: {DEVICES // 2} devices {few[-1][0]:.2f}, {FEW // 2} at the same rate {few[-1][1]:.2f} µs")
        taken = one.taken()[0] + other.taken()[0]
        check_recorded(rig, taken)
        logs, live = (sum(taker.metric(f"{kind}_batches_total") for taker in (one, other)) for kind in ("log", "live"))
    return [
        *compare("ingest: CPU per position / one recv()", rounds, controls, 1.4, "µs"),
        compare("ingest: CPU per position, 7,500 devices / 500 at the same rate", few, controls, 1.2, "µs")[0],
        count("ingest: JetStream messages per position", logs / taken, 1 / 50, "messages"),
        count("ingest: live messages per position", live / taken, None, "messages"),
    ]
