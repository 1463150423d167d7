"""tinyteams: 10,000 workers at 1 Hz in 5,000 teams, no viewers. What a position costs a tracker whose live batches have next
to nothing in common, against the same 10,000 in 100 teams; both in turn. The recorder is another tracker, without
devices, so that only intake is counted."""
import time

import meter
from figures import Invalid, around, compare, counts
from rig import Rig
from workload import end_devices, say

WORKERS, CONNECT_RATE = 10000, 8000
FEW_TEAMS, MANY_TEAMS = 100, 5000
SETTLE_S = 1.5
SILENT_S = 6  # after which a team that fell silent is not heard any more: batcher.h, BATCHER_TAIL_US
ELECTED_S = 10


def tracker_metrics(rig, name):
    return meter.metrics(rig.stack.own_url(name))


def leader(rig):
    """The tracker that records."""
    deadline = time.monotonic() + ELECTED_S
    while time.monotonic() < deadline:
        leaders = [name for name in rig.stack.trackers if tracker_metrics(rig, name)["muster_recorder_leader"]]
        if len(leaders) == 1:
            return leaders[0]
        time.sleep(0.1)
    raise Invalid("there is no recorder")


def counted(rig, name):
    """(CPU seconds, positions, live batches, log batches) of a tracker so far."""
    seen = tracker_metrics(rig, name)
    names = ("positions", "live_batches", "log_batches")
    return (meter.cpu_seconds(rig.pid(name)), *(seen[f"muster_tracker_{what}_total"] for what in names))


def turn(plan, rig, name, teams):
    """(µs, live messages, JetStream messages) per position."""
    others_ended = time.monotonic()
    rig.start_devices(WORKERS, teams, connect_rate=CONNECT_RATE, to=rig.stack.own_device_address(name))
    time.sleep(max(SETTLE_S, others_ended + SILENT_S - time.monotonic()))
    before = counted(rig, name)
    time.sleep(plan.turn_s)
    cpu, positions, live, log = (now - then for now, then in zip(counted(rig, name), before))
    end_devices(rig)
    if abs(positions - WORKERS * plan.turn_s) > WORKERS * plan.turn_s * 0.05:
        raise Invalid(f"{positions:.0f} positions came in {plan.turn_s} s, of {WORKERS} workers at 1 Hz")
    return cpu / positions * 1e6, live / positions, log / positions


def run(plan):
    with Rig(plan.folder("tinyteams"), plan.build, trackers=2) as rig:
        recorder = leader(rig)
        name = next(one for one in rig.stack.trackers if one != recorder)
        turn(plan, rig, name, FEW_TEAMS)  # makes the workers known to Postgres, in either case
        turn(plan, rig, name, MANY_TEAMS)
        few, many = [turn(plan, rig, name, FEW_TEAMS)], []
        for number in range(plan.rounds):
            many.append(turn(plan, rig, name, MANY_TEAMS))
            few.append(turn(plan, rig, name, FEW_TEAMS))
            say(f"tinyteams {number + 1}/{plan.rounds}: {few[-2][0]:.2f}, tiny {many[-1][0]:.2f}, {few[-1][0]:.2f} µs; "
                f"{few[-1][1]:.3f} and {many[-1][1]:.3f} live messages per position")
        if leader(rig) != recorder:
            raise Invalid("the recorder has changed")
    turns = [(few[i][0], many[i][0], few[i + 1][0]) for i in range(plan.rounds)]
    return [
        *compare("tinyteams: tracker CPU per position / in 100 teams", *around(turns), 1.5, "µs", "100 teams / 100 teams"),
        counts("tinyteams: live messages per position", [one[1] for one in many], None, "messages"),
        counts("tinyteams: live messages per position, 100 teams", [one[1] for one in few], None, "messages"),
        counts("tinyteams: JetStream messages per position", [one[2] for one in many], None, "messages"),
    ]
