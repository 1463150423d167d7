"""city: 5,000 workers at 1 Hz in 100 teams, 500 viewers that want every change at once. The whole chain: how old a row is
when it arrives, whether anything is lost, and which program takes how much CPU. highest: how many positions per second of
10,000 workers this machine carries, and which program takes the CPU then."""
import time

import meter
from figures import Invalid, count, counts
from rig import Rig
from truth import check_views
from workload import end_devices, require_calm, require_punctual, say

WORKERS, TEAMS, VIEWERS = 5000, 100, 500
# highest
LIMIT_MS = 250  # p99
MANY_WORKERS = 10000
LOWEST, HIGHEST, STEP = 8000, 72000, 2000
PROBE_S, RUN_S = 8, 60
BEHIND_MESSAGES = 250  # of the log: a second of them. A recorder that is further behind does not keep up
TRIES = 2  # of a rate: a stall of 0.1 s from outside is enough to fail a probe
LESS = 0.9  # of a rate that a probe found and the long run did not
KINDS = ("tracker", "nats", "postgres", "gateway", "load", "crowd")


def split(before, after, positions):
    """CPU by kind of program, in µs per position."""
    return {kind: (after[kind] - before[kind]) / positions * 1e6 for kind in KINDS}


def split_figures(name, used):
    names = {"load": "simulator", "crowd": "viewers", "nats": "nats-server"}
    return [count(f"{name}: CPU per position, {names.get(kind, kind)}", used[kind], None, "µs") for kind in KINDS]


def ages(crowd, windows, window_s):
    """(p50, p99) of how old rows are on arrival, in ms, by window."""
    found = []
    crowd.mark()
    for _ in range(windows):
        time.sleep(window_s)
        mark = crowd.mark()
        require_calm(mark)
        found.append((mark["age_p50_us"] / 1000, mark["age_p99_us"] / 1000))
    return found


def lost(report):
    """Sent, and not in the history. The simulator fails if anything that was acked is not there."""
    return report["sent"] - report["recorded"] + report["unacked"]


def run(plan):
    with Rig(plan.folder("city"), plan.build) as rig:
        rig.start_devices(WORKERS, TEAMS)
        crowd = rig.crowd(VIEWERS, TEAMS, rate=1000, interval=0)
        crowd.all()
        time.sleep(plan.turn_s)
        before, began = rig.cpu_seconds(), time.monotonic()
        found = ages(crowd, plan.rounds, plan.turn_s)
        used = split(before, rig.cpu_seconds(), WORKERS * (time.monotonic() - began))
        report = end_devices(rig)
        for p50, p99 in found:
            say(f"city: p50 {p50:.2f}, p99 {p99:.2f} ms")
        say(f"city: {report['sent']} positions, simulator late by {report['lateness_ms']['p99']} ms (p99), "
            f"{check_views(rig, crowd, WORKERS)} views are what Postgres has")
    return [
        counts("city: device to viewer p50", [p50 for p50, _ in found], 5, "ms"),
        counts("city: device to viewer p99", [p99 for _, p99 in found], 100, "ms"),
        count("city: positions lost", lost(report), 0, "positions"),
        *split_figures("city", used),
    ]


# ---- highest ----


def carry(plan, rate, seconds):
    """A run at that many positions per second. (report, p99 by window, CPU by program in µs per position, the same in
    CPUs, idle CPUs); Invalid says why the rate was not carried."""
    interval_ms = round(MANY_WORKERS * 1000 / rate)
    rate = MANY_WORKERS * 1000 / interval_ms
    with Rig(plan.folder("highest"), plan.build) as rig:
        rig.start_devices(MANY_WORKERS, TEAMS, interval_ms=interval_ms)
        crowd = rig.crowd(VIEWERS, TEAMS, rate=1000)
        crowd.all()
        time.sleep(plan.turn_s)
        before, unused_before, began = rig.cpu_seconds(), meter.machine(), time.monotonic()
        p99s = [p99 for _, p99 in ages(crowd, round(seconds / plan.turn_s), plan.turn_s)]
        took, after, unused = time.monotonic() - began, rig.cpu_seconds(), meter.machine()
        say(f"highest: {rate:.0f} positions/s, CPUs " +
            ", ".join(f"{name} {(unused[name] - unused_before[name]) / took:.2f}" for name in unused))
        behind = rig.tracker_metrics("tracker-1")["muster_recorder_behind_messages"]
        if max(p99s) >= LIMIT_MS:
            raise Invalid(f"p99 was {max(p99s):.0f} ms")
        if behind > BEHIND_MESSAGES:
            raise Invalid(f"the recorder was {behind:.0f} messages behind")
        report = require_punctual(rig.end_devices())
        check_views(rig, crowd, MANY_WORKERS)
    if report["sent"] < rate * took:
        raise Invalid(f"only {report['sent']} positions were sent in {took:.0f} s")
    cpus = {kind: (after[kind] - before[kind]) / took for kind in KINDS}
    return report, p99s, split(before, after, rate * took), cpus, (unused["idle"] - unused_before["idle"]) / took


def is_carried(plan, rate):
    for _ in range(TRIES):
        try:
            _, p99s, _, cpus, _ = carry(plan, rate, PROBE_S)
        except Invalid as error:
            say(f"highest: not {rate} positions/s: {error}")
            continue
        say(f"highest: {rate} positions/s, p99 {max(p99s):.0f} ms, {sum(cpus.values()):.2f} CPUs")
        return True
    return False


def search(plan):
    """The highest rate of short runs, to a step."""
    low, high = LOWEST, HIGHEST
    if not is_carried(plan, low):
        raise Invalid(f"not even {low} positions/s are carried")
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        low, high = (middle, high) if is_carried(plan, middle) else (low, middle)
    return low


def run_highest(plan):
    rate = search(plan)
    while True:
        try:
            report, p99s, used, cpus, idle = carry(plan, rate, RUN_S)
            break
        except Invalid as error:
            say(f"highest: not {rate} positions/s for {RUN_S} s: {error}")
            rate = int(rate * LESS)
            if rate < LOWEST:
                raise
    say("highest: CPUs in use: " + ", ".join(f"{kind} {cpus[kind]:.2f}" for kind in KINDS))
    return [
        count("highest: positions per second for 60 s", rate, None, "positions/s"),
        counts("highest: device to viewer p99", p99s, LIMIT_MS, "ms"),
        count("highest: positions lost", lost(report), 0, "positions"),
        count("highest: CPUs in use, of all programs", sum(cpus.values()), None, "CPUs"),
        count("highest: CPUs idle, of the machine", idle, None, "CPUs"),
        *split_figures("highest", used),
    ]
