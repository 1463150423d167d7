"""One background program of the local stack: started in a session of its own, found again by its pid file.

A pid file also holds the process's start time and the machine's boot id, so a recycled pid is never taken for ours and
never signalled. Used by stack.py; Linux only (/proc).
"""
import json
import os
import signal
import subprocess
import time
from pathlib import Path


class StackError(Exception):
    """Something the user must hear about, in one message."""


def boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_ticks(pid):
    """When the process started, in clock ticks since boot; None if it is gone or only a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


def clean_environment():
    """Ours without what .run/env may have put there for the operator: each program gets the secrets that it needs."""
    ends = ("_KEY", "_TOKEN", "_PASSWORD", "_DATABASE_URL")
    return {name: value for name, value in os.environ.items() if not (name.startswith("MUSTER_") and name.endswith(ends))}


class Process:
    """record: what the pid file says, None if the program was never started or has been stopped."""

    def __init__(self, run, name):
        self.name = name
        self.pid_path = run / "pid" / f"{name}.json"
        self.log_path = run / "log" / f"{name}.log"
        self.popen = None  # while the program is our own child
        self.log_start = 0
        self.record = None
        if self.pid_path.exists():
            self.record = json.loads(self.pid_path.read_text(encoding="utf-8"))

    def start(self, command, phase, address, ready_url=None, env=None, user=None, stop_signal=signal.SIGTERM,
              new_log=True):
        """phase: programs of a higher one are stopped first. user: (uid, gid) to run as, None for our own."""
        if new_log and self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        identity = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self._spawn(command, env, stdout=log, stderr=log, **identity)
        self._note(phase, address, ready_url, stop_signal)

    def start_on_terminal(self, command, phase, env):
        """It prints to our terminal, but a Ctrl-C there does not reach it: it has a session of its own too."""
        self._spawn(command, env)
        self._note(phase, "", None, signal.SIGINT)

    def _spawn(self, command, env, **how):
        self.popen = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, cwd="/",
                                      env=clean_environment() | (env or {}), start_new_session=True, **how)

    def _note(self, phase, address, ready_url, stop_signal):
        self.record = {
            "pid": self.popen.pid, "ticks": start_ticks(self.popen.pid), "boot": boot_id(), "phase": phase,
            "address": address, "ready_url": ready_url, "stop_signal": int(stop_signal),
        }
        self.pid_path.write_text(json.dumps(self.record), encoding="utf-8")

    @property
    def pid(self):
        return self.record["pid"] if self.record else None

    def alive(self):
        if not self.record:
            return False
        if self.popen and self.popen.poll() is not None:
            return False
        ticks = start_ticks(self.pid)
        return ticks is not None and ticks == self.record["ticks"] and self.record["boot"] == boot_id()

    def exit_status(self):
        """As Popen.returncode: None while it runs, or if it was not our child."""
        if not self.popen or self.alive():
            return None
        return self.popen.wait(10)  # a main thread is gone a little before the others are

    def signal(self, number):
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass
            except PermissionError:
                raise StackError(f"{self.name} (pid {self.pid}) was started by another user; stop it as that user")

    def wait(self, seconds):
        """True once it has ended."""
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def forget(self):
        self.pid_path.unlink(missing_ok=True)
        self.record = None

    def log_text(self):
        """What it has logged since it was last started from here, or all of its log."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode("utf-8", "replace")

    def log_tail(self, lines=15):
        tail = self.log_text().splitlines()[-lines:]
        return "\n".join(f"  {line}" for line in tail) or "  (it logged nothing)"


def stop_all(processes, seconds=10):
    """Asks all at once to stop, waits, kills what is left. Returns the names of those that had to be killed."""
    for process in processes:
        process.signal(process.record["stop_signal"])
    deadline = time.monotonic() + seconds
    killed = []
    for process in processes:
        if not process.wait(max(0.0, deadline - time.monotonic())):
            killed.append(process.name)
            process.signal(signal.SIGKILL)
            process.wait(5)
        process.forget()
    return killed
