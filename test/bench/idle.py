"""idle: 15,000 workers once a minute in 300 teams, 15,000 viewers of one gateway. What a viewer costs in memory and
threads: the difference that the last 10,000 make."""
import time

import meter
from figures import count
from rig import Rig
from truth import check_views
from workload import end_devices, require_calm, say

WORKERS, TEAMS = 15000, 300
FIRST, MORE = 5000, 10000
SETTLE_S = 3


def run(plan):
    # Workers that report once a minute are not stale after 10 s.
    with Rig(plan.folder("idle"), plan.build, options=["--stale-after-ms", 150000]) as rig:
        rig.start_devices(WORKERS, TEAMS, interval_ms=60000)
        pid, crowds, seen = rig.pid("gateway-1"), [], []
        for viewers in (FIRST, MORE):
            crowds.append(rig.crowd(viewers, TEAMS, rate=4000))
            crowds[-1].all()
            time.sleep(SETTLE_S)
            seen.append((meter.resident_bytes(pid), meter.threads(pid)))
            say(f"idle: {seen[-1][0] / 1024:.0f} KiB and {seen[-1][1]} threads with {viewers} more viewers")
        end_devices(rig)
        for crowd in crowds:
            say(f"idle: {check_views(rig, crowd, WORKERS)} views are what Postgres has")
            require_calm(crowd.mark())
    (bytes_before, threads_before), (bytes_after, threads_after) = seen
    return [
        count("idle: user memory per viewer", (bytes_after - bytes_before) / MORE, 1024, "bytes"),
        count("idle: threads per viewer", (threads_after - threads_before) / MORE, 0, "threads"),
    ]
