"""scale: what replicas cost. The same load, 4,000 workers at 1 Hz in 100 teams, on 1, 2, 4 and 8 trackers; and 400 viewers of
one such load on 1, 2, 4 and 8 gateways. A number and twice that number are measured at the same time, each with replicas
and teams (or viewers) of its own, so that both find the machine in the same state; the control is one beside one."""
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from statistics import median
from urllib.parse import urlsplit

import meter
from figures import Invalid, compare, count, unsure
from rig import Rig
from workload import require_calm, require_punctual, say

WORKERS, TEAMS, VIEWERS = 4000, 100, 400
PHASES = ((1, 1), (2, 1), (4, 2), (8, 4))  # the first is the control
REPLICAS = sum(PHASES[-1])
SETTLE_S = 2
PATIENCE_S = 30
WINDOW_S = 1.5
LEAST, MOST = 6, 16  # windows
LINGER_MS = 500  # teams that nobody views are let go of before the next phase


class Listener:
    """Counts what is published live, by team. The NATS client protocol: MSG subject sid bytes, the payload, CRLF."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.teams = Counter()
        self.socket = socket.create_connection((parts.hostname, parts.port))
        hello = f'CONNECT {{"user":"{parts.username}","pass":"{parts.password}","verbose":false}}\r\nSUB muster.pos.* 1\r\n'
        self.socket.sendall(hello.encode())
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self.socket.makefile("rb", 1 << 20) as lines:
            while line := lines.readline():
                if line.startswith(b"MSG "):
                    words = line.split()
                    lines.read(int(words[-1]) + 2)
                    self.teams[words[1].rsplit(b".", 1)[1].decode()] += 1
                elif line.startswith(b"PING"):
                    self.socket.sendall(b"PONG\r\n")

    def heard(self, teams):
        return sum(self.teams[team] for team in teams)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@contextmanager
def listening(rig):
    listener = Listener(rig.stack.nats_url)
    try:
        yield listener
    finally:
        listener.close()


def shares(names, sizes):
    """Of so many replicas each size gets its own."""
    return [names[:sizes[0]], names[sizes[0]:sum(sizes)]]


def watch(what, sizes, measure):
    """measure: what each size has used so far, and for how much. Returns the costs of both, window by window, in µs."""
    windows = []
    while len(windows) < LEAST or (sizes == PHASES[0] and len(windows) < MOST and unsure(windows)):
        before = measure()
        time.sleep(WINDOW_S)
        after = measure()
        windows.append(tuple((used - used_before) / (done - done_before) * 1e6
                             for (used, done), (used_before, done_before) in zip(after, before)))
    one, other = (median(window[i] for window in windows) for i in range(2))
    say(f"scale: {sizes[0]} {what} {one:.2f} µs, {sizes[1]} {other:.2f} µs")
    return windows


def doublings(what, phases, goal):
    """phases: the windows of each. Figures of 2 against 1, 4 against 2, 8 against 4."""
    controls, *others = phases
    found = []
    for sizes, windows in zip(PHASES[1:], others):
        figure, control = compare(f"scale: {what}, {sizes[0]} / {sizes[1]}", windows, controls, goal, "µs", "1 / 1")
        found.append(figure)
    return [*found, control]


# ---- trackers ----


def messages(rig, trackers):
    """(live, JetStream) messages published so far, and positions taken in."""
    seen = [rig.tracker_metrics(name) for name in trackers]
    return [sum(one[f"muster_tracker_{what}_total"] for one in seen) for what in ("live_batches", "log_batches", "positions")]


def idle_cpu(rig, trackers):
    """Of one that has nothing to do, in CPUs."""
    before = sum(meter.cpu_seconds(rig.pid(name)) for name in trackers)
    time.sleep(SETTLE_S)
    return (sum(meter.cpu_seconds(rig.pid(name)) for name in trackers) - before) / SETTLE_S / len(trackers)


def tracker_phase(rig, names, number):
    """(windows, NATS messages per position of the larger number of trackers)."""
    groups = shares(names, PHASES[number])
    fleets = [rig.add_devices(f"{number}-{i}-", WORKERS, TEAMS, to=",".join(map(rig.stack.own_device_address, group)),
                              options=["--first-team", 1 + (2 * number + i) * TEAMS]) for i, group in enumerate(groups)]
    for devices in fleets:
        devices.await_sending()
    time.sleep(SETTLE_S)
    first = messages(rig, groups[0])
    windows = watch("trackers", PHASES[number], lambda: [
        (sum(meter.cpu_seconds(rig.pid(name)) for name in group), messages(rig, group)[2]) for group in groups])
    live, log, positions = (now - then for now, then in zip(messages(rig, groups[0]), first))
    for devices in fleets:
        require_punctual(devices.end())
    return windows, (live + log) / positions


def run_trackers(plan):
    with Rig(plan.folder("scale"), plan.build, trackers=REPLICAS + 1) as rig:
        names = rig.others()
        idle = idle_cpu(rig, names)
        phases = [tracker_phase(rig, names, number) for number in range(len(PHASES))]
        if rig.others() != names:
            raise Invalid("the recorder has changed")
    return [
        *doublings("CPU per position of all trackers", [windows for windows, _ in phases], 1.05),
        *(count(f"scale: NATS messages per position, trackers: {sizes[0]}", per_position, None, "messages")
          for sizes, (_, per_position) in zip(PHASES, phases)),
        count("scale: CPU of a tracker without devices", idle * 100, None, "%"),
    ]


# ---- gateways ----


def received(rig, gateways):
    """Messages that NATS has sent to them."""
    return sum(one["out_msgs"] for one in rig.nats("connz?limit=1000")["connections"] if one.get("name") in gateways)


def replayed(rig):
    """What all joins so far have read of the log."""
    seen = rig.nats("connz?limit=1000&state=any")["connections"]
    return sum(one["out_msgs"] for one in seen if one.get("name") == "muster-gateway replay")


def bring(rig, gateways):
    """The viewers of one size, spread over its gateways. Returns the crowds, and the teams that each gateway has."""
    each, crowds, teams = VIEWERS // len(gateways), [], []
    for i, name in enumerate(gateways):
        crowds.append(rig.crowd(each, TEAMS, gateways=[name], first=i * each))
        teams.append({f"team-{1 + (i * each + viewer) % TEAMS}" for viewer in range(each)})
    for crowd in crowds:
        crowd.all()
    return crowds, teams


def await_none(rig, names, gauge):
    deadline = time.monotonic() + PATIENCE_S
    while any(rig.metric(name, gauge) for name in names):
        if time.monotonic() > deadline:
            raise Invalid(f"a gateway's {gauge} do not come to 0")
        time.sleep(0.2)


def gateway_phase(rig, listener, sizes):
    """(windows, messages received per needed one by the larger number of gateways, the same with joining)."""
    groups = shares(rig.stack.gateways, sizes)

    def seen():
        return received(rig, groups[0]), sum(listener.heard(of_one) for of_one in teams)

    before = replayed(rig)
    start = received(rig, groups[0])
    crowds, teams = bring(rig, groups[0])
    start_needed = seen()[1]
    await_none(rig, groups[0], "follows")
    joins = replayed(rig) - before
    crowds += bring(rig, groups[1])[0]
    await_none(rig, groups[1], "follows")
    steady, steady_needed = seen()
    windows = watch("gateways", sizes, lambda: [
        (sum(meter.cpu_seconds(rig.pid(name)) for name in group),
         sum(rig.metric(name, "frames_sent_total") for name in group)) for group in groups])
    end, end_needed = seen()
    for crowd in crowds:
        require_calm(crowd.mark())
        crowd.end()
    await_none(rig, rig.stack.gateways, "teams")
    return windows, (end - steady) / (end_needed - steady_needed), (end - start + joins) / (end_needed - start_needed)


def run_gateways(plan):
    options = ["--linger-ms", LINGER_MS]
    with Rig(plan.folder("scale"), plan.build, gateways=REPLICAS, options=options) as rig, listening(rig) as listener:
        rig.start_devices(WORKERS, TEAMS)
        time.sleep(SETTLE_S)
        phases = [gateway_phase(rig, listener, sizes) for sizes in PHASES]
        require_punctual(rig.end_devices())
    _, steady, joined = phases[-1]
    return [
        *doublings("CPU per frame of all gateways", [windows for windows, *_ in phases], None),
        count(f"scale: NATS messages received / needed, {PHASES[-1][0]} gateways", steady, 1.05, ""),
        count("scale: the same from the first viewer on, with the log that joining reads", joined, None, ""),
    ]


def run(plan):
    return [*run_trackers(plan), *run_gateways(plan)]
