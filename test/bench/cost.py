"""counts: what noise cannot touch. System calls of the gateway under the load of fanout, instructions and allocations of
the fan-out on a replay without sockets (frames.c)."""
import json
import re
import subprocess
import time

from figures import Invalid, count
from rig import Rig
from truth import check_views
from workload import end_devices, say

WORKERS, TEAMS, VIEWERS, SECONDS = 1000, 20, 1000, 4
SENDS = ("sendto", "sendmsg", "sendmmsg", "writev", "sendfile")
REPLAY_VIEWERS, ROUNDS = 100, (500, 1500)


def system_calls(summary):
    """Calls by name, of what strace -c wrote."""
    found = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", summary, re.MULTILINE)
    return {name: int(calls) for calls, name in found if name != "total"}


def trace_calls(plan):
    """Attached before the first frame and taken off after the last, so that both are counted over the same time."""
    with Rig(plan.folder("counts"), plan.build) as rig:
        crowd = rig.crowd(VIEWERS, TEAMS, rate=4000)
        crowd.all()
        path = rig.folder / "strace"
        before = rig.metric("gateway-1", "frames_sent_total")
        strace = subprocess.Popen(["strace", "-c", "-f", "-p", str(rig.pid("gateway-1")), "-o", path],
                                  stderr=subprocess.PIPE, encoding="utf-8")
        try:
            strace.stderr.readline()  # that it is attached
            rig.start_devices(WORKERS, TEAMS)
            time.sleep(SECONDS)
            end_devices(rig)
            check_views(rig, crowd, WORKERS)
        finally:
            strace.terminate()
            strace.wait()
        frames = rig.metric("gateway-1", "frames_sent_total") - before
        calls = system_calls(path.read_text(encoding="utf-8"))
    if frames < VIEWERS or not calls:
        raise Invalid("strace saw nothing")
    most = sorted(calls, key=calls.get, reverse=True)[:6]
    say(f"counts: {frames:.0f} frames, system calls {', '.join(f'{name} {calls[name]}' for name in most)}")
    return [
        count("counts: send system calls per frame sent", sum(calls.get(name, 0) for name in SENDS) / frames, 1.05, "calls"),
        count("counts: all system calls per frame sent", sum(calls.values()) / frames, None, "calls"),
    ]


def replay(plan, viewers, rounds, *under):
    done = subprocess.run([*under, plan.build / "bench" / "frames", str(viewers), str(rounds)], capture_output=True,
                          encoding="utf-8", check=False)
    if done.returncode != 0:
        raise Invalid(f"the replay failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout), done.stderr


def instructions(plan):
    """Of a frame: the slope between two numbers of frames."""
    seen = []
    for rounds in ROUNDS:
        out = plan.folder("counts") / f"callgrind.{rounds}"
        result, said = replay(plan, REPLAY_VIEWERS, rounds, "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
        seen.append((result["frames"], int(re.search(r"Collected : (\d+)", said)[1])))
    (frames, before), (more_frames, after) = seen
    return (after - before) / (more_frames - frames)


def allocations(plan):
    """(per frame and viewer, per frame that is made): what more viewers add to what more rounds add."""
    few, many = ROUNDS
    made = {(viewers, rounds): replay(plan, viewers, rounds)[0]["allocations"]
            for viewers in (REPLAY_VIEWERS, 2 * REPLAY_VIEWERS) for rounds in ROUNDS}
    slopes = [made[viewers, many] - made[viewers, few] for viewers in (REPLAY_VIEWERS, 2 * REPLAY_VIEWERS)]
    return (slopes[1] - slopes[0]) / (many - few) / REPLAY_VIEWERS, slopes[0] / (many - few)


def run(plan):
    figures = trace_calls(plan)
    per_viewer, per_frame = allocations(plan)
    return [
        *figures,
        count("counts: user instructions per frame sent", instructions(plan), 150, "instructions"),
        count("counts: allocations per frame and viewer", per_viewer, 0, "allocations"),
        count("counts: allocations per frame made", per_frame, None, "allocations"),
    ]
