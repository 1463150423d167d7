#!/usr/bin/python3
"""That programs are hardened as the Makefile says, by what readelf sees of them: hardening.py PROGRAM...
Prints what is missing; exits with 1 if anything is. -fstack-clash-protection leaves nothing to see."""
import subprocess
import sys
from pathlib import Path

# What it is called, how readelf is asked, and what it must have said.
MARKS = [
    ("position-independent (-fPIE -pie)", ["-W", "-d"], ["(FLAGS_1)", "PIE"]),
    ("read-only relocations (-z relro)", ["-W", "-l"], ["GNU_RELRO"]),
    ("all symbols bound at the start (-z now)", ["-W", "-d"], ["(FLAGS)", "BIND_NOW"]),
    ("no executable stack (-z noexecstack)", ["-W", "-l"], ["GNU_STACK", " RW "]),
    ("guarded stacks (-fstack-protector-strong)", ["-W", "--dyn-syms"], ["__stack_chk_fail"]),
    ("checked copies (_FORTIFY_SOURCE)", ["-W", "--dyn-syms"], ["_chk@GLIBC"]),
]
# Debian's start-up code has no marks for jumps, so the linker does not call a whole program marked. Ours has many:
# each place that is jumped to from a table or by a pointer.
ENDBR64 = b"\xf3\x0f\x1e\xfa"


def missing(program):
    for name, how, words in MARKS:
        lines = subprocess.run(["readelf", *how, program], stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
        if not any(all(word in line for word in words) for line in lines.splitlines()):
            yield f"{program}: not hardened: {name}"
    if Path(program).read_bytes().count(ENDBR64) < 20:
        yield f"{program}: not hardened: marked targets of jumps (-fcf-protection)"


findings = [finding for program in sys.argv[1:] for finding in missing(program)]
print("\n".join(findings) if findings else f"hardening: {len(sys.argv) - 1} programs, nothing is missing")
sys.exit(1 if findings or len(sys.argv) == 1 else 0)
