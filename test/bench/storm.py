"""storm: two gateways, 1,300 workers at 1 Hz in 100 teams. 5,000 viewers of all teams lose one gateway, by kill -9, and
come to the other one at once, without the jitter that a good client has; it knows half of the teams until then, from 250
viewers of its own. How long until all are exact, what Postgres was asked, what the 250 notice."""
import time

from figures import Invalid, around, compare, counts
from rig import Rig
from tap import Tap
from truth import check_views
from workload import end_devices, require_calm, say

WORKERS, TEAMS, VIEWERS, ESTABLISHED = 1300, 100, 5000, 250
LIMIT_S = 10
STORM_S = 1  # what they have meanwhile is looked at for so long, at least


def age(established):
    mark = established.mark()
    require_calm(mark)
    return mark["age_p99_us"] / 1000


def await_unheld(rig):
    """Until the surviving gateway holds only the teams of its own viewers, as before the last storm."""
    deadline = time.monotonic() + 30
    while rig.metric("gateway-2", "teams") > TEAMS / 2:
        if time.monotonic() > deadline:
            raise Invalid("the gateway keeps teams that nobody looks at")
        time.sleep(0.2)


def blow(plan, rig, tap, storm, established):
    """Returns (p99 before, seconds until all are back and shown, p99 meanwhile, most queries for one team)."""
    established.mark()
    time.sleep(plan.turn_s)
    before = age(established)
    tap.forget()
    rig.stack.kill("gateway-1")
    began = time.monotonic()
    seconds = storm.all(60)["ms"] / 1000
    asked = max(tap.teams.values(), default=0)
    time.sleep(max(0.0, STORM_S - (time.monotonic() - began)))
    meanwhile = age(established)
    if not tap.statements:
        raise Invalid("no query was seen between the gateway and Postgres")
    return before, seconds, meanwhile, asked


def run(plan):
    taps = {}

    def link(replica, backend, port):
        if backend != "postgres" or replica != "gateway-2":
            return port
        taps[replica] = Tap(port)
        return taps[replica].port

    rounds, seconds, asked = [], [], []
    # What nobody looks at is let go of soon, so that each storm finds half of the teams unknown; and no query but for
    # joining is made.
    options = ["--linger-ms", 500, "--compare-interval-s", 0]
    with Rig(plan.folder("storm"), plan.build, gateways=2, options=options, link=link) as rig:
        rig.start_devices(WORKERS, TEAMS)
        established = rig.crowd(ESTABLISHED, TEAMS // 2, gateways=["gateway-2"], rate=4000)
        established.all()
        for number in range(plan.rounds):
            storm = rig.crowd(VIEWERS, TEAMS, gateways=["gateway-1", "gateway-2"], rate=4000)
            storm.all()
            time.sleep(plan.settle_s)
            before, one_s, meanwhile, one_asked = blow(plan, rig, taps["gateway-2"], storm, established)
            mark = storm.mark()
            if number + 1 < plan.rounds:
                storm.end()
                rig.stack.restart("gateway-1")
                await_unheld(rig)
            established.mark()
            time.sleep(plan.turn_s)
            rounds.append((before, meanwhile, age(established)))
            seconds.append(one_s)
            asked.append(one_asked)
            say(f"storm {number + 1}/{plan.rounds}: all back after {one_s:.2f} s ({mark['failures']} connections and "
                f"{mark['refusals']} requests failed), p99 of the others {before:.1f}, {meanwhile:.1f} ms; "
                f"{one_asked} queries for a team at most")
        end_devices(rig)
        say(f"storm: {check_views(rig, storm, WORKERS)} views are what Postgres has")
        require_calm(established.mark())
    for tap in taps.values():
        tap.close()
    return [
        counts("storm: until all 5,000 viewers are exact", seconds, LIMIT_S, "s"),
        counts("storm: Postgres queries per team", asked, 1, "queries"),
        *compare("storm: p99 of established viewers / before", *around(rounds), 2, "ms",
                 "before / before"),
    ]
