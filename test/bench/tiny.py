"""tinyteams: 10,000 workers at 1 Hz in 5,000 teams, no viewers. What a position costs a tracker whose live batches have next
to nothing in common, against the same number in 100 teams, which another tracker takes in at the same time."""
import time

import meter
from figures import Invalid, compare, counts, unsure
from rig import Rig
from workload import require_punctual, say

WORKERS, CONNECT_RATE = 10000, 8000
TINY, LARGE = 5000, 100  # teams
SETTLE_S = 3
WINDOW_S = 1.5
LEAST, MOST = 6, 16  # windows
# Teams of the two trackers: each is the one with tiny ones in turn; and the control.
SESSIONS = ((TINY, LARGE), (LARGE, TINY), (LARGE, LARGE))


def counted(rig, name):
    """(CPU seconds, positions, live batches, log batches) of a tracker so far."""
    seen = rig.tracker_metrics(name)
    names = ("positions", "live_batches", "log_batches")
    return (meter.cpu_seconds(rig.pid(name)), *(seen[f"muster_tracker_{what}_total"] for what in names))


def window(rig, names):
    """(µs, live messages, JetStream messages) per position of each tracker."""
    before = [counted(rig, name) for name in names]
    time.sleep(WINDOW_S)
    after = [counted(rig, name) for name in names]
    found = []
    for now, then in zip(after, before):
        cpu, positions, live, log = (new - old for new, old in zip(now, then))
        if abs(positions - WORKERS * WINDOW_S) > WORKERS * WINDOW_S * 0.1:
            raise Invalid(f"{positions:.0f} positions came in {WINDOW_S} s, of {WORKERS} workers at 1 Hz")
        found.append((cpu / positions * 1e6, live / positions, log / positions))
    return tuple(found)


def session(rig, names, number):
    """The windows of one session, each as window() says."""
    fleets = []
    for i, (name, teams) in enumerate(zip(names, SESSIONS[number])):
        options = ["--first-team", 1 + (2 * number + i) * TINY]
        fleets.append(rig.add_devices(f"{number}-{i}-", WORKERS, teams, connect_rate=CONNECT_RATE, options=options,
                                      to=rig.stack.own_device_address(name)))
    for devices in fleets:
        devices.await_sending()
    time.sleep(SETTLE_S)
    windows, control = [], SESSIONS[number][0] == SESSIONS[number][1]
    while len(windows) < LEAST or (control and len(windows) < MOST and unsure([(a[0], b[0]) for a, b in windows])):
        windows.append(window(rig, names))
    for devices in fleets:
        require_punctual(devices.end())
    return windows


def run(plan):
    with Rig(plan.folder("tinyteams"), plan.build, trackers=3) as rig:
        names = rig.others()
        first, second, control = (session(rig, names, number) for number in range(len(SESSIONS)))
        if rig.others() != names:
            raise Invalid("the recorder has changed")
    pairs = first + [(tiny, large) for large, tiny in second]
    for tiny, large in pairs:
        say(f"tinyteams: tiny {tiny[0]:.2f}, large {large[0]:.2f} µs; {tiny[1]:.3f} and {large[1]:.3f} live messages")
    rounds, controls = ([(one[0], other[0]) for one, other in found] for found in (pairs, control))
    return [
        *compare("tinyteams: tracker CPU per position / in 100 teams", rounds, controls, 1.5, "µs", "100 teams / 100 teams"),
        counts("tinyteams: live messages per position", [tiny[1] for tiny, _ in pairs], None, "messages"),
        counts("tinyteams: live messages per position, 100 teams", [large[1] for _, large in pairs], None, "messages"),
        counts("tinyteams: JetStream messages per position", [tiny[2] for tiny, _ in pairs], None, "messages"),
    ]
