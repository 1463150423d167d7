#!/usr/bin/python3
"""The commands behind `make up`, `down`, `status`, `demo` and `clean`. Stack does the work."""
import argparse
import shutil
import signal
import sys
from pathlib import Path

import certs
import postgres
import stack
from process import Process, StackError
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
HTTP_PORT, DEVICE_PORT, HTTPS_PORT, DEVICE_TLS_PORT = 8080, 7300, 8443, 7301
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text):
    """Printing must not fail: the terminal may be gone while we stop things."""
    try:
        print(text, flush=True)
    except OSError:
        pass


def up(options):
    """Returns the running stack's exports and whether it ran before."""
    names = {process.name for process in stack.running(options.run)}
    if names:
        check_complete(options.run)
        exports = read_env(options.run)
        say(f"already up: {', '.join(sorted(names))} (`make down` stops it)\n  open     {map_url(exports)}")
        return exports, True
    here = Stack(options.run, options.programs, options.trackers, options.gateways, options.device_port, options.http_port,
                 device_tls_port=options.device_tls_port, https_port=options.https_port, limits=dict(options.limit))
    here.up()
    say(f"up: {options.trackers} trackers and {options.gateways} gateways behind HAProxy\n"
        f"  devices  {here.device_address}, by TLS {here.device_tls_address}\n"
        f"  HTTPS    {here.https_url}, authority {here.authority}\n"
        f"  open     {map_url(here.exports)}\n"
        f"  settings {options.run}/env (`. .run/env` exports them), logs {options.run}/log")
    return here.exports, False


def check_complete(run):
    dead = [process.name for process in stack.recorded(run) if not process.alive()]
    if dead or not (run / "env").exists():
        raise StackError(f"part of the stack runs, but not {', '.join(dead) or 'all of it'}: `make down` first")


def read_env(run):
    lines = (run / "env").read_text(encoding="utf-8").splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
    return {name: value.strip("'") for name, value in pairs}


def map_url(exports):
    return f"{exports['MUSTER_HTTP_URL']}/#token={exports['MUSTER_MANAGER_TOKEN']}"


def down(options):
    (options.run / "env").unlink(missing_ok=True)
    names = [process.name for process in stack.running(options.run)]
    killed = stack.stop(options.run)
    if killed:
        say(f"killed, because they did not stop when asked: {', '.join(killed)}")
    say(f"down: stopped {', '.join(names)}" if names else "down: nothing was running")


def status(options):
    processes = stack.recorded(options.run)
    if not processes:
        say("nothing runs; `make up` starts the stack")
    faults = 0
    for process in processes:
        wrong = "not running: it has died" if not process.alive() else stack.fault(process) and "not ready"
        faults += bool(wrong)
        say(f"{process.name:12} pid {process.pid:<8} {process.record['address']:42} {wrong or 'ready'}")
    return 1 if faults else 0


def demo(options):
    exports, ran_before = up(options)
    say("Ctrl-C ends the demo")
    try:
        return simulate(options, exports)
    finally:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        if ran_before:
            say("the stack ran before the demo and stays up; `make down` stops it")
        else:
            down(options)


def simulate(options, exports):
    """Runs the simulator on our terminal until it ends or we are told to."""
    command = [options.programs / "muster-simulator", "--workers", options.workers, "--teams", options.teams,
               "--connect", exports["MUSTER_DEVICE_ADDR"]]
    if options.duration:
        command += ["--duration", options.duration]
    simulator = Process(options.run, "simulator")
    simulator.start_on_terminal(command, stack.CLIENTS, {"MUSTER_WORKER_KEY": exports["MUSTER_WORKER_KEY"]})
    # It runs in a session of its own, so a Ctrl-C reaches only us, and it is told exactly once.
    try:
        code = simulator.popen.wait()
    except KeyboardInterrupt:
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        say("")
        simulator.signal(signal.SIGINT)
        simulator.wait(10)
        code = simulator.exit_status()
    simulator.forget()  # it ended as it should: nothing for `make status` to tell
    return 0 if code == 0 else 1


def clean(options):
    down(options)
    postgres.remove(options.run)
    shutil.rmtree(options.run, ignore_errors=True)


def make_certs(options):
    authority, _ = certs.make(options.run / "certs")
    say(f"{authority}\n  is the authority of the edge's certificate; a browser that trusts it may open https://localhost")


def limit(text):
    name, _, number = text.partition("=")
    if name not in stack.LIMITS or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text} is no limit; NAME=NUMBER with {', '.join(stack.LIMITS)}")
    return name, int(number)


def folder(text):
    return Path(text).resolve()  # what we start runs in another folder


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description="Muster's local stack")
    parser.add_argument("command", choices=["up", "down", "status", "demo", "clean", "certs"])
    parser.add_argument("--run", type=folder, default=ROOT / ".run", help="folder for data, logs and pid files")
    parser.add_argument("--programs", type=folder, default=ROOT / "build/bin", help="where muster-tracker is")
    parser.add_argument("--trackers", type=int, default=2)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--device-port", type=int, default=DEVICE_PORT, help="0 picks a free one")
    parser.add_argument("--http-port", type=int, default=HTTP_PORT, help="0 picks a free one")
    parser.add_argument("--https-port", type=int, default=HTTPS_PORT, help="0 picks a free one")
    parser.add_argument("--device-tls-port", type=int, default=DEVICE_TLS_PORT, help="0 picks a free one")
    parser.add_argument("--limit", type=limit, action="append", default=[], metavar="NAME=NUMBER",
                        help=f"what one source may do by TLS: {', '.join(stack.LIMITS)}")
    parser.add_argument("--workers", default="1000", help="demo: how many")
    parser.add_argument("--teams", default="10", help="demo: how many")
    parser.add_argument("--duration", default="", help="demo: seconds, without end if not given")
    options = parser.parse_args()
    if options.trackers < 1 or options.gateways < 1:
        parser.error("at least one tracker and one gateway")
    for number in ENDING:  # SIGINT too: a shell's background job starts with it ignored, and Python leaves it so
        signal.signal(number, interrupt)
    commands = {"up": up, "down": down, "status": status, "demo": demo, "clean": clean, "certs": make_certs}
    try:
        result = commands[options.command](options)
        return result if isinstance(result, int) else 0
    except StackError as error:
        print(f"muster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


sys.exit(main())
