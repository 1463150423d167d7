"""fanout: 1,000 workers at 1 Hz in 20 teams, 2,000 viewers. What a frame costs, against one send() of such a frame to each
of as many receivers, at the same pace. megateam: 2,000 workers in one team, 200 viewers. What a row costs, against one
send() for each row: what a gateway would pay that keeps nothing together."""
import traces
from figures import compare, unsure
from rig import Rig
from truth import check_views
from workload import Pairs, end_devices, say

LINGER_MS = 600000  # teams are joined once, not in every round
ROWS_PLAYED = 20  # one in so many rows is sent alone by the floor: all of them would take more than one CPU


def measure(plan, name, load, played, cost, figure):
    """load: workers, teams, viewers. played: the floor's frames, of what was recorded. cost: of a side's result, seconds of
    what is compared. figure: its name and goal."""
    workers, teams, viewers = load
    with Rig(plan.folder(name), plan.build, gateways=2, options=["--linger-ms", LINGER_MS]) as rig:
        rig.start_devices(workers, teams)
        pairs, rounds, controls = Pairs(plan, rig, viewers, teams), [], []
        pairs.warm_up()
        recorded = pairs.record()
        traces.write(pairs.trace, recorded.snapshots, played(recorded))
        while len(rounds) < plan.pairs or (len(rounds) < plan.most_pairs and (len(rounds) % 2 or unsure(controls))):
            number = len(rounds)
            ours, floor = pairs.with_floor(number)
            rounds.append((cost(ours) * 1e6, floor[0] / floor[1] * 1e6))
            controls.append(tuple(cost(side) * 1e6 for side in pairs.with_ours(number)))
            say(f"{name} {number + 1}: ours {rounds[-1][0]:.3f}, floor {rounds[-1][1]:.3f} µs "
                f"({ours[1]} and {floor[1]} frames); ours {controls[-1][0]:.3f}, ours {controls[-1][1]:.3f} µs")
        end_devices(rig)
        for crowd in pairs.crowds:
            say(f"{name}: {check_views(rig, crowd, workers)} views are what Postgres has")
    return compare(figure[0], rounds, controls, figure[1], "µs")


def run_fanout(plan):
    return measure(plan, "fanout", (1000, 20, 2000), lambda recorded: recorded.deltas, lambda side: side[0] / side[1],
                   ("fanout: CPU per frame sent / one send()", 1.15))


def run_megateam(plan):
    return measure(plan, "megateam", (2000, 1, 200), lambda recorded: traces.rows_alone(recorded, ROWS_PLAYED),
                   lambda side: side[0] / side[2], ("megateam: CPU per row delivered / one send() per row", 0.1))
