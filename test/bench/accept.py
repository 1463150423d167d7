"""accept: 1,000 devices at 1 Hz that ask for every ack are connected when 10,000 more connect at once. Until when are all of
these welcomed, and what do the others notice. devices: what a connected device that says nothing costs the tracker, in
memory and CPU."""
import time

import meter
from figures import Invalid, around, compare, count, counts
from rig import Child, Rig
from workload import end_devices, say

WORKERS, TEAMS = 1000, 20
CROWD, CROWD_TEAMS = 10000, 300
LIMIT_S = 10
STORM_S = 1  # what the others have meanwhile is looked at for so long, at least
FIRST, MORE, RATE = 5000, 10000, 4000
SETTLE_S, QUIET_S = 4, 10


class Knock(Child):
    """See knock.c. source: a part of the address that they come from, so that ports that are not free yet don't matter."""

    def __init__(self, rig, devices, source, rate=0, teams=CROWD_TEAMS, first=0):
        super().__init__([rig.tools / "knock", rig.stack.ports["tracker-1"], devices, teams, source, rate, first],
                         {"MUSTER_TOKEN_KEY": rig.stack.key})
        rig.children.append(self)
        self.hear()

    def go(self):
        self.tell("go")
        done = self.hear()
        if done["failures"]:
            raise Invalid(f"{done['failures']} devices were not let in")
        return done


def turn(rig, seconds, meanwhile=None):
    """(p99 of the established devices' acks in ms, what `meanwhile` returned)."""
    rig.start_devices(WORKERS, TEAMS, options=["--ack-every", 1])
    time.sleep(0.5)
    began = time.monotonic()
    result = meanwhile() if meanwhile else None
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    return end_devices(rig)["ack_ms"]["p99"], result


def run(plan):
    calm, storms, seconds = [], [], []
    with Rig(plan.folder("accept"), plan.build) as rig:
        calm.append(turn(rig, plan.turn_s)[0])
        for number in range(plan.rounds):
            knock = Knock(rig, CROWD, 1 + number)
            p99, done = turn(rig, STORM_S, knock.go)
            storms.append(p99)
            seconds.append(done["ms"] / 1000)
            knock.end()
            time.sleep(plan.settle_s)
            calm.append(turn(rig, plan.turn_s)[0])
            say(f"accept {number + 1}/{plan.rounds}: all welcomed after {seconds[-1]:.2f} s, half within "
                f"{done['p50_ms']:.0f} ms; p99 of the others' acks {calm[-2]:.1f}, {p99:.1f}, {calm[-1]:.1f} ms")
    rounds = list(zip(calm, storms, calm[1:]))
    return [
        counts("accept: until all 10,000 devices are welcomed", seconds, LIMIT_S, "s"),
        *compare("accept: ack p99 of established devices / before", *around(rounds), 2, "ms", "before / before"),
    ]


def quiet_seconds(rig):
    """CPU that the tracker takes in QUIET_S seconds."""
    before = meter.cpu_seconds(rig.pid("tracker-1"))
    time.sleep(QUIET_S)
    return meter.cpu_seconds(rig.pid("tracker-1")) - before


def run_devices(plan):
    with Rig(plan.folder("devices"), plan.build) as rig:
        empty, seen = quiet_seconds(rig), []
        for first, devices in ((0, FIRST), (FIRST, MORE)):
            Knock(rig, devices, 1, RATE, first=first).go()
            time.sleep(SETTLE_S)
            seen.append(meter.resident_bytes(rig.pid("tracker-1")))
        full = quiet_seconds(rig)
        say(f"devices: {seen[0] / 1024:.0f} KiB with {FIRST}, {seen[1] / 1024:.0f} with {FIRST + MORE}; {empty:.3f} s of CPU "
            f"in {QUIET_S} s with none, {full:.3f} with all")
    return [
        count("devices: user memory per device", (seen[1] - seen[0]) / MORE, 1024, "bytes"),
        count("devices: CPU for 15,000 silent devices", (full - empty) / QUIET_S * 100, 1, "% of a core"),
    ]
