"""What every workload is given, and the turns that most of them take."""
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import meter
import traces
from figures import Invalid

COUNTED_WITHIN = 0.01  # frames as the gateway counts them and as they arrive
START_S = 1  # after which all teams are joined, and move
FOLLOW_PATIENCE_S = 30
LATE_US = 20000  # the simulator's own lateness, p99, at which the load is not what was planned


@dataclass
class Plan:
    """How long to measure, and where."""

    build: Path
    rounds: int = 5  # of what takes turns
    pairs: int = 8  # of what runs side by side; even, because who is first changes
    most_pairs: int = 24  # where the machine is so noisy that fewer say little
    window_s: float = 1.5
    settle_s: float = 0.5
    turn_s: float = 3.0  # the window of what takes turns

    def folder(self, name):
        return self.build / "bench" / "run" / name


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def end_devices(rig):
    """Ends the load, and makes sure that it was what was planned."""
    return require_punctual(rig.end_devices())


def require_punctual(report):
    if report["lateness_ms"]["p99"] * 1000 > LATE_US:
        raise Invalid(f"the simulator was late by {report['lateness_ms']['p99']} ms (p99)")
    return report


def watch(sides, window_s):
    """sides: (crowd, id of the process that sends to it). For each of them the CPU seconds of the process, frames and rows
    that arrived, over the same time."""
    before = [(crowd.mark(), meter.cpu_seconds(pid)) for crowd, pid in sides]
    time.sleep(window_s)
    used = [meter.cpu_seconds(pid) for _, pid in sides]
    found = []
    for (crowd, _), cpu, (mark, cpu_before) in zip(sides, used, before):
        now = crowd.mark()
        require_calm(now)
        found.append((cpu - cpu_before, now["frames"] - mark["frames"], now["rows"] - mark["rows"]))
    return found


def require_calm(mark):
    for fault in ("losses", "refusals", "failures", "stales"):
        if mark[fault]:
            raise Invalid(f"{mark[fault]} {fault} among the viewers")


class Pairs:
    """Ours and what it is compared with, side by side: both send at the same time, to as many receivers of the same kind,
    and the load goes on meanwhile. Each frame of one comes between two of the other, so that both find the machine in
    the same state; turns of a second or more do not, on a machine that others use too. Both sides' receivers are new in
    each round and come at the same time, because connections get cheaper as they get older; who is first changes.

    viewers, teams: of each crowd. A side's result is (CPU seconds, frames, rows)."""

    def __init__(self, plan, rig, viewers, teams):
        self.plan, self.rig, self.viewers, self.teams = plan, rig, viewers, teams
        self.trace = rig.folder / "played.trace"
        self.crowds = []

    def warm_up(self):
        """Both gateways join all teams, and are done with it: the log is read for some seconds afterwards."""
        for name in self.rig.stack.gateways:
            crowd = self._crowd(self.rig.port(name))
            crowd.all()
            deadline = time.monotonic() + FOLLOW_PATIENCE_S
            while self.rig.metric(name, "follows") > 0:
                if time.monotonic() > deadline:
                    raise Invalid(f"{name} still follows the log")
                time.sleep(0.2)
            crowd.end()

    def _crowd(self, port, **options):
        return self.rig.crowd(self.viewers, self.teams, ports=[port], rate=4000, **options)

    def record(self):
        """The frames that a crowd gets for as long as a round takes."""
        path = self.rig.folder / "recorded.trace"
        crowd = self._crowd(self.rig.port("gateway-1"), record=path)
        crowd.all()
        seconds = self.plan.settle_s + self.plan.window_s + 1
        time.sleep(seconds + START_S + 0.5)
        crowd.end()
        recorded = traces.Recorded(path, START_S)
        if len(recorded.snapshots) != self.teams or recorded.seconds() < seconds:
            raise Invalid("what was recorded is too short")
        return recorded

    def _watch(self, number, other, begin=lambda: None):
        """The results of gateway-1 and of the other, a (port, process id)."""
        sides = [(self.rig.port("gateway-1"), self.rig.pid("gateway-1")), other]
        order = sides[::-1] if number % 2 else sides
        self.leave()
        crowds = {side: self._crowd(side[0]) for side in order}
        self.crowds = list(crowds.values())
        for crowd in self.crowds:
            crowd.all()
        begin()
        time.sleep(self.plan.settle_s)
        before = self.rig.metric("gateway-1", "frames_sent_total")
        results = watch([(crowds[side], side[1]) for side in sides], self.plan.window_s)
        sent = self.rig.metric("gateway-1", "frames_sent_total") - before
        # The two counts begin and end at slightly different moments.
        if results[0][1] == 0 or sent < results[0][1] * (1 - COUNTED_WITHIN):
            raise Invalid(f"the gateway counts {sent:.0f} frames where {results[0][1]} arrived")
        return results

    def leave(self):
        for crowd in self.crowds:
            crowd.end()
        self.crowds = []

    def with_floor(self, number):
        blast = self.rig.blast(self.trace)
        ours, floor = self._watch(number, (blast.port, blast.pid), lambda: blast.tell("go"))
        self.leave()
        sent = blast.hear()
        if sent["waits"] > sent["frames"] * COUNTED_WITHIN:
            raise Invalid(f"blast had to wait {sent['waits']} times for a socket, in {sent['frames']} frames")
        blast.end()
        return ours, floor

    def with_ours(self, number):
        """The control: another gateway in the floor's place."""
        return self._watch(number, (self.rig.port("gateway-2"), self.rig.pid("gateway-2")))
