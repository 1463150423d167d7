"""counts: system calls of the gateway under the load of fanout, and of a tracker under that of ingest; another tracker is
the recorder."""
import re
import subprocess
import time

from figures import Invalid, count
from ingest import Taker
from rig import Rig
from simulator import Simulated, await_sending
from truth import check_views
from workload import end_devices, say

WORKERS, TEAMS, VIEWERS, SECONDS = 1000, 20, 1000, 4
DEVICES, DEVICE_SECONDS = 15000, 8  # each is acked once in this time
SENDS = ("sendto", "sendmsg", "sendmmsg", "writev", "sendfile")


def system_calls(summary):
    """Calls by name, of what strace -c wrote."""
    found = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", summary, re.MULTILINE)
    return {name: int(calls) for calls, name in found if name != "total"}


class Strace:
    """Counts the calls of all threads of a process between begin() and end()."""

    def __init__(self, pid, path):
        self.path = path
        self.process = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", path], stderr=subprocess.PIPE,
                                        encoding="utf-8")
        self.process.stderr.readline()  # that it is attached

    def end(self):
        self.process.terminate()
        self.process.wait()
        calls = system_calls(self.path.read_text(encoding="utf-8"))
        if not calls:
            raise Invalid("strace saw nothing")
        return calls


def most(calls):
    return ", ".join(f"{name} {calls[name]}" for name in sorted(calls, key=calls.get, reverse=True)[:6])


def trace_gateway(plan):
    """Attached before the first frame and taken off after the last, so that both are counted over the same time."""
    with Rig(plan.folder("counts"), plan.build) as rig:
        crowd = rig.crowd(VIEWERS, TEAMS, rate=4000)
        crowd.all()
        before = rig.metric("gateway-1", "frames_sent_total")
        strace = Strace(rig.pid("gateway-1"), rig.folder / "strace")
        try:
            rig.start_devices(WORKERS, TEAMS)
            time.sleep(SECONDS)
            end_devices(rig)
            check_views(rig, crowd, WORKERS)
        finally:
            calls = strace.end()
        frames = rig.metric("gateway-1", "frames_sent_total") - before
    if frames < VIEWERS:
        raise Invalid("there were no frames")
    say(f"counts: {frames:.0f} frames, system calls {most(calls)}")
    return [
        count("counts: send system calls per frame sent", sum(calls.get(name, 0) for name in SENDS) / frames, 1.05, "calls"),
        count("counts: all system calls per frame sent", sum(calls.values()) / frames, None, "calls"),
    ]


def trace_tracker(plan):
    with Rig(plan.folder("counts"), plan.build, trackers=3) as rig:
        taker = Taker(rig, rig.others()[0])
        side = Simulated(plan, rig.folder / "devices", DEVICES, taker)
        try:
            await_sending([side])
            time.sleep(DEVICE_SECONDS)
            before = taker.taken()[0]
            strace = Strace(taker.pid, rig.folder / "strace")
            try:
                time.sleep(DEVICE_SECONDS)
            finally:
                taken = taker.taken()[0] - before
                calls = strace.end()
            side.end()
        finally:
            side.kill()
    say(f"counts: {taken:.0f} positions, system calls {most(calls)}")
    return [count("counts: system calls per position taken in", sum(calls.values()) / taken, 1.25, "calls")]


def run(plan):
    return trace_gateway(plan) + trace_tracker(plan)
