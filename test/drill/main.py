#!/usr/bin/python3
"""`make drill`: runs the whole stack under load, breaks it by a plan made from a seed, heals it, and holds everything
that the servers then have against what the devices were told. docs/testing.md says more."""
import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def arguments():
    parser = argparse.ArgumentParser(description="Muster's drill")
    parser.add_argument("--build", type=lambda text: Path(text).resolve(), default=ROOT / "build", help="where bin/ is")
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="repeats a plan; a new one is drawn without it")
    parser.add_argument("--kinds", default="", help="only these kinds of faults, with commas between")
    parser.add_argument("--trackers", type=int, default=3)
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--workers", type=int, default=600)
    parser.add_argument("--teams", type=int, default=12)
    parser.add_argument("--interval-ms", type=int, default=500)
    parser.add_argument("--expect", default="", help="counts that must not be 0, for a build with a fault of its own")
    parser.add_argument("--plan", action="store_true", help="only print the plan")
    return parser.parse_args()


options = arguments()
sys.path[:0] = [str(HERE), str(HERE.parent / "system"), str(ROOT / "deploy/local"), str(options.build / "gen/py")]
sys.dont_write_bytecode = True
os.environ["MUSTER_BUILD"] = str(options.build)  # what views.py looks at

import postgres  # noqa: E402
import stack as local_stack  # noqa: E402
from checks import check_everything  # noqa: E402
from checker import COUNTS, Findings  # noqa: E402
from faults import Saboteur  # noqa: E402
from links import Links  # noqa: E402
from load import Load  # noqa: E402
from plan import DECK, KINDS, length, make_plan  # noqa: E402
from recovery import recoveries, spread  # noqa: E402

START_SECONDS, HEAL_SECONDS, CALM_SECONDS, END_SECONDS = 40, 60, 60, 120
KILL_LIMIT_S = 5.0


class Drill:
    def __init__(self, plan):
        self.plan = plan
        self.folder = options.build / "drill"
        self.findings = Findings()
        self.links = self.load = self.saboteur = self.stack = None
        self.began = time.time()

    def say(self, text):
        print(f"{time.time() - self.began:7.1f}  {text}", flush=True)

    def up(self):
        run = self.folder / "run"
        self.clear(run)
        shutil.rmtree(self.folder, ignore_errors=True)
        run.mkdir(parents=True)
        self.links = Links()
        # Views are compared with Postgres often, to find what was wrong in between; not where it would hide a fault.
        compare = {"MUSTER_COMPARE_INTERVAL_S": "0" if options.expect else "10"}
        self.stack = local_stack.Stack(run, options.build / "bin", options.trackers, options.gateways,
                                       environment=compare, link=self.links.add)
        self.stack.up()
        self.load = Load(self.stack, self.folder, options.workers, options.teams, options.interval_ms,
                         length(self.plan) + 2)
        self.saboteur = Saboteur(self.stack, self.links, self.say, self.load.disturb)
        self.wait("the load has started", self.load.started, START_SECONDS)

    @staticmethod
    def clear(run):
        """What a drill before left, should it have been killed."""
        if run.exists():
            local_stack.stop(run)
            postgres.remove(run)

    def wait(self, what, condition, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            if not self.load.alive():
                raise RuntimeError(f"the simulator has ended: see {self.folder}/simulator.log")
            if time.monotonic() > deadline:
                return self.findings.add("not_recovered", f"{what}: not within {seconds} s, {self.load.now()}")
            self.saboteur.watch()
            time.sleep(0.1)
        return None

    def strike(self):
        self.began = time.time()
        for fault in self.plan:
            while time.time() - self.began < fault.at:
                self.saboteur.watch()
                time.sleep(0.02)
            self.say(f"{fault.number:3}  {fault}")
            self.saboteur.begin(fault)

    def heal(self):
        wrong = self.saboteur.heal(length(self.plan) - (time.time() - self.began) + HEAL_SECONDS)
        for name, fault in wrong.items():
            self.findings.add("not_recovered", f"{name}: {fault}")
        self.say("all is healed")
        self.wait("every worker acked, every view moving", self.load.is_calm, CALM_SECONDS)
        self.say("all workers are acked, all views move")
        if not self.load.end(END_SECONDS):
            raise RuntimeError("the simulator does not end")
        self.say("the simulator has ended, all its views had settled")

    def down(self):
        """Stops everything, keeps logs and results. Returns the names of programs that had to be killed."""
        if self.saboteur:
            self.saboteur.release()
        if self.load:
            self.load.kill()
        killed = self.stack.down() if self.stack else []
        if self.links:
            self.links.close()
        if self.stack:
            postgres.remove(self.stack.run)
            shutil.rmtree(self.stack.run / "nats", ignore_errors=True)
        return killed

    def check_programs(self, killed):
        for name in killed:
            self.findings.add("not_recovered", f"{name} did not stop when asked")
        for _, name, status, log in self.saboteur.exits:
            if status is not None and status < 0:
                self.findings.add("crashed", f"{name} by signal {-status}: {log}")
        for name in self.stack.trackers + self.stack.gateways:
            text = (self.stack.run / "log" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
            if "Sanitizer" in text:
                self.findings.add("crashed", f"{name}: a sanitizer has complained")
            for line in filter(lambda line: "event=difference " in line, text.splitlines()):
                self.findings.add("difference", line)


def result_of(drill, times, seen):
    kills = [one["acks_s"] for one in times if one["kind"] in ("kill", "crash")]
    return {
        "seed": options.seed, "faults": len(drill.plan), "workers": options.workers, "teams": options.teams,
        "interval_ms": options.interval_ms, "trackers": options.trackers, "gateways": options.gateways,
        "seconds": round(time.time() - drill.began, 1), "clean": drill.findings.clean(),
        "findings": drill.findings.counts, "examples": drill.findings.examples, **seen,
        "recovery": {
            "acks_after_kill_s": spread(kills),
            "gap_after_kill_s": spread([one["gap_s"] for one in times if one["kind"] in ("kill", "crash")]),
            "slow_kills": [one for one in times if one["kind"] in ("kill", "crash")
                           and (one["acks_s"] is None or one["acks_s"] > KILL_LIMIT_S)],
            "acks_s": spread([one["acks_s"] for one in times]), "views_s": spread([one["views_s"] for one in times]),
        },
        "ended_by_themselves": [{"program": name, "status": status, "log": log}
                                for _, name, status, log in drill.saboteur.exits],
        "each": times,
    }


def print_result(result, folder):
    def text(value):
        return "-" if value is None else f"{value:.1f}"

    print("\ngap: longest time in which nobody was acked; acks, views: until all were acked, all views moved, again,\n"
          "not counting while another fault stood in the way, nor while this one lasted, if it is no kill or restart")
    print(f"{'':3}  {'at s':>6}  {'gap s':>6}  {'acks s':>6}  {'view s':>6}  fault")
    for one in result["each"]:
        figures = "  ".join(f"{text(one[key]):>6}" for key in ("gap_s", "acks_s", "views_s"))
        note = f"  ! {one['note']}" if one["note"] else ""
        print(f"{one['number']:3}  {one['at_s']:6.1f}  {figures}  {one['fault']}{note}")
    print(f"\n{result['positions']} positions, {result['acked']} acked, {result['rows']} rows, "
          f"{result['views']} views; seed {result['seed']}, {result['faults']} faults, {result['seconds']} s")
    for name, count in result["findings"].items():
        print(f"  {name:22} {count:8}  {COUNTS[name]}")
        for example in result["examples"].get(name, []):
            print(f"      {example}")
    for name, spread_s in result["recovery"].items():
        if name != "slow_kills":
            print(f"  {name:22} p50 {text(spread_s['p50'])} s, max {text(spread_s['max'])} s")
    for one in result["recovery"]["slow_kills"]:
        print(f"  acks took longer than {KILL_LIMIT_S:.0f} s after {one['number']}: {one['fault']}")
    print(f"  all of it in {folder}/result.json, logs in {folder}/run/log")


def verdict(result):
    if options.expect:
        missed = [name for name in options.expect.split(",") if not result["findings"][name]]
        print(f"the checker has noticed: {options.expect}" if not missed else f"NOT NOTICED: {', '.join(missed)}")
        return 1 if missed else 0
    good = result["clean"] and not result["recovery"]["slow_kills"]
    print("clean" if good else f"NOT CLEAN (SEED={options.seed} FAULTS={options.faults} repeats the plan)")
    return 0 if good else 1


def run(plan):
    drill = Drill(plan)
    try:
        drill.up()
        drill.strike()
        drill.heal()
        seen = check_everything(drill)
        killed = drill.down()
        drill.check_programs(killed)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        drill.down()
    times = recoveries(drill.saboteur.struck, drill.load.timeline())
    result = result_of(drill, times, seen)
    (drill.folder / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_result(result, drill.folder)
    return verdict(result)


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main():
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 1_000_000)
    kinds = options.kinds.split(",") if options.kinds else list(KINDS)
    if unknown := [kind for kind in kinds if kind not in DECK]:
        sys.exit(f"drill: no such kind of fault: {', '.join(unknown)} (there are {', '.join(DECK)})")
    plan = make_plan(options.seed, options.faults, [f"tracker-{n + 1}" for n in range(options.trackers)],
                     [f"gateway-{n + 1}" for n in range(options.gateways)], kinds)
    print(f"drill: SEED={options.seed} FAULTS={options.faults}, {length(plan):.0f} s of faults")
    for fault in plan:
        print(f"{fault.number:5}  at {fault.at:6.1f} s  {fault}")
    if options.plan:
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return run(plan)
    except KeyboardInterrupt:
        print("drill: interrupted; all is stopped", file=sys.stderr)
        return 130
    except (RuntimeError, local_stack.StackError, AssertionError, OSError) as error:
        print(f"drill: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
