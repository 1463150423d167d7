#!/usr/bin/python3
"""`make bench`: how fast Muster is, as ratios of two things that took turns and as counts; docs/performance.md. Prints a
table, writes bench/results.json of the build. The exit status is 1 if a run says nothing or a view is wrong; a goal that
is missed is only shown."""
import argparse
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(ROOT / "deploy/local")]

import accept  # noqa: E402
import city  # noqa: E402
import cost  # noqa: E402
import fanout  # noqa: E402
import figures  # noqa: E402
import idle  # noqa: E402
import ingest  # noqa: E402
import instructions  # noqa: E402
import recorder  # noqa: E402
import scale  # noqa: E402
import simulator  # noqa: E402
import slow  # noqa: E402
import spike  # noqa: E402
import stack as local_stack  # noqa: E402
import storm  # noqa: E402
import tiny  # noqa: E402
from workload import Plan  # noqa: E402

WORKLOADS = {
    "fanout": fanout.run_fanout,
    "megateam": fanout.run_megateam,
    "idle": idle.run,
    "ingest": ingest.run,
    "slow": slow.run,
    "storm": storm.run,
    "accept": accept.run,
    "devices": accept.run_devices,
    "recorder": recorder.run,
    "counts": cost.run,
    "instructions": instructions.run,
    "simulator": simulator.run,
    "city": city.run,
    "highest": city.run_highest,
    "spike": spike.run,
    "tinyteams": tiny.run,
    "scale": scale.run,
}
ONLY_IF_NAMED = ["highest"]  # it takes minutes
QUICK_WINDOW_S, QUICK_TURN_S = 0.8, 1.0


def arguments():
    parser = argparse.ArgumentParser(description="Muster's benchmarks")
    parser.add_argument("--build", type=lambda text: Path(text).resolve(), default=ROOT / "build", help="where bin/ is")
    parser.add_argument("--only", default="", help=f"some of {', '.join(WORKLOADS)}, with commas between")
    parser.add_argument("--quick", action="store_true", help="shorter rounds")
    options = parser.parse_args()
    options.names = options.only.split(",") if options.only else [name for name in WORKLOADS if name not in ONLY_IF_NAMED]
    if unknown := [name for name in options.names if name not in WORKLOADS]:
        parser.error(f"no such workload: {', '.join(unknown)} (there are {', '.join(WORKLOADS)})")
    return options


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def measure(plan, names):
    """(figures, whether all of them count)."""
    found, good = [], True
    for name in names:
        try:
            found += WORKLOADS[name](plan)
        except (figures.Invalid, local_stack.StackError) as error:
            print(f"bench: {name} is INVALID: {error}", file=sys.stderr, flush=True)
            good = False
    return found, good and not any(map(figures.is_void, found))


def main():
    options = arguments()
    plan = Plan(options.build)
    if options.quick:
        plan.window_s, plan.turn_s, plan.most_pairs = QUICK_WINDOW_S, QUICK_TURN_S, plan.pairs
    signal.signal(signal.SIGTERM, interrupt)
    os.environ["LC_ALL"] = "C.UTF-8"
    try:
        found, good = measure(plan, options.names)
    except KeyboardInterrupt:
        print("bench: interrupted; all is stopped", file=sys.stderr)
        return 130
    figures.write(found, options.build / "bench" / "results.json")
    print(figures.table(found))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
