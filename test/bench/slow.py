"""slow: 2,000 workers at 1 Hz in one team, 400 viewers, of which 5 % never read. What that does to the others, what it
costs in memory, and how soon they are exact once they read again."""
import time

import meter
from figures import Invalid, around, compare, count, counts
from rig import Rig
from truth import check_views
from workload import end_devices, require_calm, say

WORKERS, TEAMS, VIEWERS, STUCK = 2000, 1, 400, 20
STUCK_RATE = 8  # each comes at a moment of its own, and so is stuck in a frame of its own: that is the most memory
BLOCK_PATIENCE_S = 30


def age(plan, crowd):
    """The p99 of how old rows are when they arrive, in ms."""
    time.sleep(plan.settle_s)
    crowd.mark()
    time.sleep(plan.turn_s)
    mark = crowd.mark()
    require_calm(mark)
    return mark["age_p99_us"] / 1000


def get_stuck(rig, crowd):
    """Returns the memory that each of the stuck holds."""
    pid = rig.pid("gateway-1")
    before, deadline = meter.resident_bytes(pid), time.monotonic() + BLOCK_PATIENCE_S
    crowd.bring_stuck()
    while (blocked := rig.metric("gateway-1", "viewers_blocked")) < STUCK:
        if time.monotonic() > deadline:
            raise Invalid(f"only {blocked:.0f} of {STUCK} viewers are stuck")
        time.sleep(0.1)
    return (meter.resident_bytes(pid) - before) / STUCK


def get_exact(crowd):
    """The stuck read again: seconds until the last of them is exact."""
    again = crowd.read()
    if again["exact"] != STUCK:
        raise Invalid(f"only {again['exact']} of {STUCK} stuck viewers were exact after they had read for 5 s")
    return again["ms"] / 1000


def run(plan):
    with Rig(plan.folder("slow"), plan.build, options=["--stall-ms", 600000]) as rig:  # nobody is closed meanwhile
        rig.start_devices(WORKERS, TEAMS)
        crowd = rig.crowd(VIEWERS, TEAMS, rate=4000, stuck=STUCK, stuck_rate=STUCK_RATE)
        crowd.all()
        rounds, held, exact = [], [], []
        for number in range(plan.rounds):
            before = age(plan, crowd)
            held.append(get_stuck(rig, crowd))
            stuck = age(plan, crowd)
            exact.append(get_exact(crowd))
            rounds.append((before, stuck, age(plan, crowd)))
            if number + 1 < plan.rounds:
                crowd.send_away()
            say(f"slow {number + 1}/{plan.rounds}: p99 {before:.1f}, with stuck ones {stuck:.1f}, {rounds[-1][2]:.1f} ms; "
                f"{held[-1] / 1024:.1f} KiB per stuck viewer, exact after {exact[-1]:.3f} s")
        end_devices(rig)
        say(f"slow: {check_views(rig, crowd, WORKERS)} views are what Postgres has")
    return [
        *compare("slow: p99 of the others / without stuck viewers", *around(rounds), 1.1, "ms",
                 "without / without"),
        count("slow: user memory per stuck viewer, most", max(held), 65536, "bytes"),  # later rounds find it allocated
        counts("slow: until exact after reading again", exact, 1, "s"),
    ]
