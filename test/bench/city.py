"""city: 5,000 workers at 1 Hz in 100 teams, 500 viewers that want every change at once. The whole chain: how old a row is
when it arrives, whether anything is lost, and which program takes how much CPU. highest: how many workers this machine
carries in the same way, and what keeps it from carrying more."""
import time

from figures import count, counts
from rig import Rig
from truth import check_views
from workload import end_devices, require_calm, say

WORKERS, TEAMS, VIEWERS = 5000, 100, 500
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
