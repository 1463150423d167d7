"""spike: 2,000 workers at 1 Hz in 100 teams, 200 viewers that want every change at once. In 10 s the rate goes up to five
times as much, stays there for 10 s, and is back 10 s later: is anything lost, and how soon are views as fresh as before."""
import json
import time
from statistics import median

from city import lost
from figures import Invalid, count, counts
from rig import Rig
from truth import check_views
from workload import require_calm, require_punctual, say

WORKERS, TEAMS, VIEWERS = 2000, 100, 200
RISES_S, TOP_S, FALLS_S, BACK_S, END_S = 10, 20, 30, 40, 60  # of the simulator's scenario of that name
WARM_S = 2
WINDOW_S = 0.5
CALM_WINDOWS, NORMAL = 4, 1.5  # so many in a row, not above so many times the median of before, are back to normal
PATIENCE_S = 60


def started_us(rig):
    """When the first position was due, at most 0.1 s too late."""
    for line in (rig.folder / "timeline.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["taken"] > 0:
            return entry["at_us"]
    raise Invalid("nothing was sent")


def follow(rig, crowd):
    """[(seconds after the start, p99 in ms of the window that ended then)] until the scenario is over."""
    start_us, found = started_us(rig), []
    crowd.mark()
    while not found or found[-1][0] < END_S - WINDOW_S:
        time.sleep(WINDOW_S)
        mark = crowd.mark()
        require_calm(mark)
        found.append(((mark["at_us"] - start_us) / 1e6, mark["age_p99_us"] / 1000))
    return found


def within(windows, begin_s, end_s):
    return [p99 for at_s, p99 in windows if begin_s + WINDOW_S <= at_s < end_s]


def back_after(windows, normal):
    """Seconds from the spike's end until the first of so many windows in a row that are normal."""
    after = [(at_s - WINDOW_S, p99) for at_s, p99 in windows if at_s - WINDOW_S >= BACK_S]
    for i in range(len(after) - CALM_WINDOWS + 1):
        if all(p99 <= normal for _, p99 in after[i:i + CALM_WINDOWS]):
            return after[i][0] - BACK_S
    raise Invalid(f"p99 was not back at {normal:.1f} ms {END_S - BACK_S} s after the spike")


def run(plan):
    with Rig(plan.folder("spike"), plan.build) as rig:
        rig.start_devices(WORKERS, TEAMS, options=["--scenario", "spike"])
        crowd = rig.crowd(VIEWERS, TEAMS, rate=1000, interval=0)
        crowd.all()
        windows = follow(rig, crowd)
        report = require_punctual(rig.devices.await_end(PATIENCE_S))
        views = check_views(rig, crowd, WORKERS)
    before, top = within(windows, WARM_S, RISES_S), within(windows, TOP_S, FALLS_S)
    back_s = back_after(windows, NORMAL * median(before))
    say(f"spike: p99 {median(before):.1f} ms before (at most {max(before):.1f}), {median(top):.1f} at the top (at most "
        f"{max(within(windows, RISES_S, END_S)):.1f} at any time); simulator late by {report['lateness_ms']['p99']} ms (p99); "
        f"{views} views are what Postgres has")
    return [
        count("spike: positions lost", lost(report), 0, "positions"),
        count("spike: until p99 is as before", back_s, 5, "s"),
        counts("spike: p99 before", before, None, "ms"),
        counts("spike: p99 at five times the rate", top, None, "ms"),
    ]
