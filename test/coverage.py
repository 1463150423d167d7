#!/usr/bin/python3
"""How many lines of some sources were run by what was run before, by what gcov says: coverage.py BUILD SOURCE...
BUILD was compiled with gcc --coverage. Prints a line for each source, with the lines that were not run; exits with 1 if
fewer than 95 % of any were."""
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

LEAST_PERCENT = 95


def lines_run(build, source):
    """{line: how often it was run}; inline functions of headers do not count."""
    data = (build / source).with_suffix(".gcda").resolve()
    if not data.exists():
        sys.exit(f"coverage: {data} is missing: nothing that has {source} was run")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcov", "--json-format", "--object-directory", data.parent, data], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        report = json.loads(gzip.decompress(next(Path(folder).glob("*.gz")).read_bytes()))
    counts = {}
    for file in report["files"]:
        if Path(file["file"]) == Path(source):
            for line in file["lines"]:
                number = line["line_number"]
                counts[number] = counts.get(number, 0) + line["count"]
    return counts


def main():
    build, low = Path(sys.argv[1]), []
    print(f"{'source':38} {'lines':>5} {'run':>6}  not run")
    for source in sys.argv[2:]:
        counts = lines_run(build, source)
        missed = sorted(number for number, count in counts.items() if count == 0)
        percent = 100 * (1 - len(missed) / len(counts))
        print(f"{source:38} {len(counts):5} {percent:5.1f}%  {', '.join(map(str, missed))}")
        if percent < LEAST_PERCENT:
            low.append(source)
    if low:
        print(f"coverage: below {LEAST_PERCENT} %: {', '.join(low)}")
    return 1 if low else 0


sys.exit(main())
