"""simulator: what the load itself costs. muster-simulator with 15,000 devices at 1 Hz, against one send() of such a message
from each of as many sockets (spray.c), both to a sink that welcomes and acks as a tracker does. The control is a second
simulator. All three run side by side, and anew in each round: who comes first changes."""
import json
import os
import shutil
import signal
import subprocess
import time

import meter
import stack as local_stack
from figures import Invalid, compare, unsure
from rig import PATIENCE_S, Child
from workload import LATE_US, say

DEVICES, CONNECT_RATE = 15000, 8000
PROBE_DEVICES = 500  # tell how long a message is
MOST_ROUNDS = 12
KEPT_UP = 0.01  # messages that came, of those that were planned


class Sink(Child):
    """What the simulator sends to here. ingest.py has a tracker in its place."""

    key = "a key that nobody checks, 32 bytes long"

    def __init__(self, plan):
        self.port = local_stack.free_ports(1)[0]
        self.address = f"127.0.0.1:{self.port}"
        super().__init__([plan.build / "bench" / "sink", self.port])
        deadline = time.monotonic() + PATIENCE_S
        while local_stack.is_free(self.port):
            if time.monotonic() > deadline:
                raise Invalid("the sink does not listen")
            time.sleep(0.02)

    def taken(self):
        self.tell("mark")
        said = self.hear()
        return said["messages"], said["bytes"]


class Simulated:
    """The simulator, and the sink that it sends to."""

    def __init__(self, plan, folder, devices, sink, interval_ms=1000):
        self.folder, self.sink, self.interval_ms = folder, sink, interval_ms
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.before = sink.taken()[0]
        command = [plan.build / "bin" / "muster-simulator", "--workers", devices, "--teams", max(1, devices // 50),
                   "--interval-ms", interval_ms, "--connect", sink.address, "--connect-rate", CONNECT_RATE, "--report",
                   folder / "report.json"]
        with open(folder / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                            env=os.environ | {"MUSTER_WORKER_KEY": sink.key})
        self.pid, self.devices = self.process.pid, devices

    def is_sending(self):
        return self.sink.taken()[0] > self.before + self.devices * 1.1  # a sink counts each Hello, too

    def end(self):
        """By two Ctrl-C: a sink does not ack each position in the end. Its plan must have been kept."""
        for _ in range(2):
            self.process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        self.process.wait(PATIENCE_S)
        report = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        if report["lateness_ms"]["p99"] * 1000 > LATE_US:
            raise Invalid(f"the simulator was late by {report['lateness_ms']['p99']} ms (p99)")
        if report["connects"] != self.devices:
            raise Invalid(f"{report['connects']} connections for {self.devices} devices")
        self.sink.end()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.sink.kill()


class Sprayed:
    """The floor, and the sink that it sends to."""

    def __init__(self, plan, message_bytes):
        self.sink = Sink(plan)
        self.child = Child([plan.build / "bench" / "spray", self.sink.port, DEVICES, DEVICES, message_bytes])
        self.pid = self.child.pid

    def is_sending(self):
        return self.sink.taken()[0] > DEVICES + DEVICES / 10

    def end(self):
        self.child.end()
        self.sink.end()

    def kill(self):
        self.child.kill()
        self.sink.kill()


def await_sending(sides):
    deadline = time.monotonic() + PATIENCE_S
    for side in sides:
        while not side.is_sending():
            if time.monotonic() > deadline:
                raise Invalid("the load does not begin")
            time.sleep(0.05)


def message_bytes(plan):
    """Of a report with one position, on average."""
    side = Simulated(plan, plan.folder("simulator") / "probe", PROBE_DEVICES, Sink(plan))
    try:
        await_sending([side])
        messages, size = side.sink.taken()
        time.sleep(1)
        more, larger = side.sink.taken()
        side.end()
    finally:
        side.kill()
    return round((larger - size) / (more - messages))


def watch(sides, window_s):
    """CPU per message of each side, in µs, over the same time."""
    before = [(meter.cpu_seconds(side.pid), side.sink.taken()[0]) for side in sides]
    time.sleep(window_s)
    found = []
    for side, (cpu_before, taken_before) in zip(sides, before):
        cpu, taken = meter.cpu_seconds(side.pid) - cpu_before, side.sink.taken()[0] - taken_before
        if abs(taken - DEVICES * window_s) > DEVICES * window_s * KEPT_UP + DEVICES * 0.02:
            raise Invalid(f"{taken} messages came in {window_s} s, of {DEVICES} senders at 1 Hz")
        found.append(cpu / taken * 1e6)
    return found


def one_round(plan, number, size):
    folder = plan.folder("simulator")
    makers = [lambda: Simulated(plan, folder / "ours", DEVICES, Sink(plan)), lambda: Sprayed(plan, size),
              lambda: Simulated(plan, folder / "again", DEVICES, Sink(plan))]
    order = [(first + number) % 3 for first in range(3)]
    sides = {}
    try:
        for which in order:
            sides[which] = makers[which]()
        await_sending(sides.values())
        time.sleep(plan.settle_s)
        found = dict(zip(order, watch([sides[which] for which in order], plan.turn_s)))
        for side in sides.values():
            side.end()
    finally:
        for side in sides.values():
            side.kill()
    return found[0], found[1], found[2]


def run(plan):
    size = message_bytes(plan)
    rounds, controls = [], []
    while len(rounds) < plan.rounds or (len(rounds) < MOST_ROUNDS and unsure(controls)):
        ours, floor, again = one_round(plan, len(rounds), size)
        rounds += [(ours, floor)]
        controls += [(ours, again) if len(rounds) % 2 else (again, ours)]
        say(f"simulator {len(rounds)}: {ours:.2f} and {again:.2f} µs per position, one send() of {size} bytes {floor:.2f} µs")
    return compare("simulator: CPU per position / one send()", rounds, controls, 1.3, "µs")
