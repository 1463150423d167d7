#!/usr/bin/python3
"""What `make check` holds the sources against: format, warnings of gcc and clang, headers that compile alone, who may
include what, length of files, Python that compiles. Prints every finding; exits with 1 if there is any."""
import argparse
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
C_FOLDERS = ["common", "tracker", "gateway", "simulator", "token", "test"]
PROGRAMS = ["tracker", "gateway", "simulator", "token"]
MAX_LINES = 600

# Each third-party header is known to a few files only, so that a library's traps have one home. Sources and headers of
# the name given; tests may include anything.
FENCES = {
    "nats.h": ["common/jetstream", "common/revocation_log", "common/share_log", "token/command", "tracker/collected", "tracker/provision", "tracker/publish", "tracker/recorder",
               "tracker/stream", "tracker/undertaker", "gateway/feed", "gateway/replay"],
    "libpq-fe.h": ["tracker/store", "tracker/store_days", "tracker/store_private", "tracker/store_write", "gateway/history",
                    "gateway/snapshot", "simulator/recorded"],
    "civetweb.h": ["tracker/admin", "gateway/server"],
    "cJSON.h": ["common/token", "gateway/api_*", "gateway/view_filter"],
    "evp.h": ["common/token_key", "gateway/ws"],
    "pem.h": ["common/token_key"],
    "jwt.h": ["common/token"],
}


def sources(*endings):
    found = (path for folder in C_FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in endings)
    return sorted(path for path in found if "node_modules" not in path.parts)


def run(command):
    """The output of a command that failed, else nothing."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", errors="replace", check=False)
    if done.returncode == 0:
        return ""
    return done.stdout.strip() or f"{shlex.join(map(str, command))} failed with {done.returncode}"


def check_format(path):
    return run(["clang-format", "--dry-run", "-Werror", path])


def check_compiles(compiler, flags, path):
    """A header is compiled as if it were a source: it must not lean on what others included before it."""
    only_header = ["-Wno-unused-macros", "-Wno-unused-const-variable", "-Wno-unused-function"] if path.suffix == ".h" else []
    if compiler == "clang" and path.suffix == ".h":
        only_header.append("-Wno-pragma-once-outside-header")
    return run([compiler, *flags, *only_header, "-fsyntax-only", "-x", "c", path])


def check_text(path):
    """Findings in one C file that need no compiler."""
    name = path.relative_to(ROOT)
    lines = path.read_text(encoding="utf-8").splitlines()
    findings = []
    if len(lines) > MAX_LINES:
        findings.append(f"{name}: {len(lines)} lines; split it ({MAX_LINES} at most)")
    for number, line in enumerate(lines, 1):
        include = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
        if include and name.parts[0] != "test":
            findings += [f"{name}:{number}: {fault}" for fault in include_faults(name, include[1])]
    return "\n".join(findings)


def include_faults(name, header):
    base = Path(header).name
    if base in FENCES and not any(name.with_suffix("").match(allowed) for allowed in FENCES[base]):
        yield f"{base} is for {', '.join(FENCES[base])} only"
    own = [name.parts[0], "common"]
    places = [(ROOT / name).parent / header, ROOT / "common" / header]  # where the compiler looks, as it looks
    found = next((place.resolve().relative_to(ROOT).parts[0] for place in places if place.exists()), None)
    for program in PROGRAMS:
        hidden = not found and ((ROOT / program / header).exists() or program in Path(header).parts)
        if program not in own and (found == program or hidden):
            yield f"{header} is {program}'s; programs include common/ and generated headers, never each other's"


def check_python():
    """Syntax only, without leaving compiled files behind."""
    findings = []
    for path in sorted(path for folder in ["common", "deploy", "test", "docs"] for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        try:
            compile(text, str(path), "exec")
        except SyntaxError as error:
            findings.append(f"{path.relative_to(ROOT)}:{error.lineno}: {error.msg}")
        if text.count("\n") > MAX_LINES:
            findings.append(f"{path.relative_to(ROOT)}: over {MAX_LINES} lines; split it")
    return "\n".join(findings)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler-flags", type=Path, required=True, help="file with the flags of the build")
    flags = shlex.split(parser.parse_args().compiler_flags.read_text(encoding="utf-8"))
    files = sources(".c", ".h")
    jobs = [(check_python,)]
    jobs += [(check_text, path) for path in files] + [(check_format, path) for path in files]
    jobs += [(check_compiles, compiler, flags, path) for compiler in ("gcc", "clang") for path in files]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [text for text in pool.map(lambda job: job[0](*job[1:]), jobs) if text]
    print("\n".join(findings) if findings else f"check: {len(files)} C files, nothing to complain about")
    return 1 if findings else 0


sys.exit(main())
