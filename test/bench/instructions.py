#!/usr/bin/python3
"""instructions: what noise cannot touch. Instructions (callgrind) and allocations of a frame sent and of a position taken
in, on replays without sockets (frames.c, positions.c): what more rounds add, so that start and end do not count.

Run by itself, as `make check` does, it holds them against those in instructions.json."""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from figures import Invalid, count

VIEWERS = 100
FRAME_ROUNDS, POSITION_ROUNDS = (500, 1500), (1000, 3000)  # 100,000 frames and 120,000 positions between them
RECORDED = Path(__file__).with_name("instructions.json")
WITHIN = 0.03


def replay(build, program, *numbers, under=()):
    done = subprocess.run([*under, build / "bench" / program, *map(str, numbers)], capture_output=True, encoding="utf-8",
                          check=False)
    if done.returncode != 0:
        raise Invalid(f"the replay failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout), done.stderr


def slope(build, program, made, *before, rounds):
    """Instructions for each of what the program says it has made, under this name."""
    seen = []
    for number in rounds:
        result, said = replay(build, program, *before, number,
                              under=("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"))
        seen.append((result[made], int(re.search(r"Collected : (\d+)", said)[1])))
    (few, least), (many, most) = seen
    return (most - least) / (many - few)


def of_frame(build):
    return slope(build, "frames", "frames", VIEWERS, rounds=FRAME_ROUNDS)


def of_position(build):
    return slope(build, "positions", "positions", rounds=POSITION_ROUNDS)


def frame_allocations(build):
    """(per frame and viewer, per frame that is made): what more viewers add to what more rounds add."""
    few, many = FRAME_ROUNDS
    made = {(viewers, rounds): replay(build, "frames", viewers, rounds)[0]["allocations"]
            for viewers in (VIEWERS, 2 * VIEWERS) for rounds in FRAME_ROUNDS}
    slopes = [made[viewers, many] - made[viewers, few] for viewers in (VIEWERS, 2 * VIEWERS)]
    return (slopes[1] - slopes[0]) / (many - few) / VIEWERS, slopes[0] / (many - few)


def position_allocations(build):
    """Per position: log batches, of which each holds hundreds."""
    few, many = (replay(build, "positions", rounds)[0] for rounds in POSITION_ROUNDS)
    return (many["allocations"] - few["allocations"]) / (many["positions"] - few["positions"])


def run(plan):
    per_viewer, per_frame = frame_allocations(plan.build)
    return [
        count("instructions: user instructions per frame sent", of_frame(plan.build), 150, "instructions"),
        count("instructions: allocations per frame and viewer", per_viewer, 0, "allocations"),
        count("instructions: allocations per frame made", per_frame, None, "allocations"),
        count("instructions: user instructions per position", of_position(plan.build), 500, "instructions"),
        count("instructions: allocations per position", position_allocations(plan.build), 0, "allocations"),
    ]


def main():
    parser = argparse.ArgumentParser(description=f"Instructions, against {RECORDED.name}")
    parser.add_argument("--build", type=lambda text: Path(text).resolve(), required=True, help="where bench/ is")
    parser.add_argument("--record", action="store_true", help="write them down instead")
    options = parser.parse_args()
    found = {"frame": of_frame(options.build), "position": of_position(options.build)}
    if options.record:
        RECORDED.write_text(json.dumps({name: round(number, 1) for name, number in found.items()}, indent=1) + "\n",
                            encoding="utf-8")
        return 0
    wrong = 0
    for name, recorded in json.loads(RECORDED.read_text(encoding="utf-8")).items():
        ratio = found[name] / recorded
        print(f"instructions per {name}: {found[name]:.1f}, recorded {recorded:.1f} ({ratio - 1:+.1%})")
        wrong += abs(ratio - 1) > WITHIN
    if wrong:
        print(f"instructions: more than {WITHIN:.0%} off; if that is meant: make instructions-record", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
