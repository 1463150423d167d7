#!/usr/bin/python3
"""Writes docs/configuration.md from what the programs' --help says, so that the page is never out of date.

usage: configuration.py BIN_DIR          writes the page
       configuration.py BIN_DIR --check  exits 1 if the page is not what would be written
"""
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).with_name("configuration.md")
INTRO = """\
# Configuration

<!-- Written by `make docs` from the programs' --help; do not edit. -->

Every setting is a flag and an environment variable; a flag beats the variable, which beats the default. `--help` prints
the same as this page, `--version` the version. Values are checked at start: a wrong one ends the program with one line
and exit status 2.

Secrets (keys, the database's address) are never flags, because other users of a machine can read a process's
arguments: they come from the variable, or from the file that the variable with `_FILE` at its end, or the flag, names.
"""
OPTION = re.compile(r"^  --(?P<flag>\S+)(?: (?P<kind>\S+))?\n      (?P<help>.+)\n      \[(?P<env>.+)\]$", re.M)


COMMANDS = {"muster-token": ["mint", "inspect", "revoke", "revoked"]}


def section(program, command=None):
    if not command and program.name in COMMANDS:
        return "".join(section(program, name) for name in COMMANDS[program.name])
    arguments = [command] if command else []
    text = subprocess.run([program, *arguments, "--help"], check=True, capture_output=True, text=True, env={}).stdout
    title = " ".join([program.name, *arguments])
    lines = [f"\n## {title}\n", "| flag | environment | default | |", "|---|---|---|---|"]
    for option in OPTION.finditer(text):
        env, _, default = option["env"].partition(", default ")
        flag = f"--{option['flag']} {option['kind'] or ''}".strip()
        cells = [f"`{flag}`", f"`{env}`".replace(" or …_FILE", "` or `…_FILE"), f"`{default}`" if default else "",
                 option["help"].replace("|", "\\|")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    bin_dir = pathlib.Path(sys.argv[1])
    names = ["tracker", "gateway", "simulator", "token"]
    page = INTRO + "".join(section((bin_dir / f"muster-{name}").absolute()) for name in names)
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") != page:
            sys.exit("docs/configuration.md is out of date: run `make docs`")
    else:
        PAGE.write_text(page, encoding="utf-8")


main()
