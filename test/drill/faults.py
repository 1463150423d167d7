"""Doing to a stack what the plan says, each fault on a thread of its own, and starting again what has died."""
import os
import signal
import threading
import time
from pathlib import Path

import stack as local_stack
from process import StackError, start_ticks

READY_SECONDS = 40
END_SECONDS = 20  # for a program that was asked to end, before it is killed


def family(pid):
    """A process and everything that descends from it."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2:].split()
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def signal_family(pid, number):
    for one in family(pid):
        try:
            os.kill(one, number)
        except ProcessLookupError:
            pass


class Struck:
    """What became of one fault. Times are time.time()."""

    def __init__(self, fault):
        self.fault = fault
        self.began = self.ended = None
        self.ready = None  # when a program that was started again was ready
        self.note = ""


class Saboteur:
    """say: is given a line for each thing that happens. disturb: cuts some devices' connections."""

    def __init__(self, stack, links, say, disturb):
        self.stack, self.links, self.say, self.disturb = stack, links, say, disturb
        self.struck = []
        self.exits = []  # of programs that nobody killed: (time, name, status, last lines of the log)
        self.lock = threading.Lock()
        self.held = set()  # programs that are down on purpose
        self.frozen = {}  # name: pid of programs that are stopped
        self.threads = []
        self.over = False

    def begin(self, fault):
        struck = Struck(fault)
        self.struck.append(struck)
        thread = threading.Thread(target=self._run, args=(struck,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _run(self, struck):
        fault = struck.fault
        struck.began = time.time()
        try:
            getattr(self, "_" + fault.kind)(struck, fault.target, fault.seconds)
        except StackError as error:
            struck.note = str(error).splitlines()[0]
        struck.ended = struck.ended or time.time()

    # ---- kinds ----

    def _kill(self, struck, name, seconds):
        pid = self._hold(name)
        children = [(one, start_ticks(one)) for one in family(pid)[1:]]
        self._signal(name, signal.SIGKILL)
        self._until_gone(name)
        time.sleep(seconds)
        self._until_children_gone(children)
        self._start(struck, name)

    def _restart(self, struck, name, _seconds):
        self._hold(name)
        process = self.stack.process(name)
        process.signal(process.record["stop_signal"])
        if not process.wait(END_SECONDS):
            struck.note = f"did not end within {END_SECONDS} s, killed"
            self._signal(name, signal.SIGKILL)
            self._until_gone(name)
        self._start(struck, name)

    def _stop(self, _struck, name, seconds):
        self._freeze(name)
        time.sleep(seconds)
        self._thaw(name)

    def _crash(self, struck, name, seconds):
        self._freeze("nats")
        time.sleep(seconds * 0.75)
        self._hold(name)
        self._signal(name, signal.SIGKILL)
        self._until_gone(name)
        time.sleep(seconds * 0.25)
        self._thaw("nats")
        self._start(struck, name)

    def _cut(self, _struck, name, seconds):
        self.links.cut(name)
        time.sleep(seconds)
        self.links.heal(name)

    def _stall(self, struck, name, seconds):
        self.links.stall(name)
        time.sleep(seconds)
        self.links.heal(name, keep=bool(struck.fault.detail))

    def _slow(self, struck, name, seconds):
        self.links.slow(name, struck.fault.detail)
        time.sleep(seconds)
        self.links.heal(name)

    def _disturb(self, _struck, _name, _seconds):
        self.disturb()

    # ---- programs ----

    def _hold(self, name):
        with self.lock:
            self.held.add(name)
            return self.stack.process(name).pid

    def _signal(self, name, number):
        self.stack.process(name).signal(number)

    def _until_gone(self, name):
        if not self.stack.process(name).wait(10):
            raise StackError(f"{name} did not end on a signal")

    def _until_children_gone(self, children):
        """Postgres refuses to start while a process of the killed server still has its memory."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(ticks and start_ticks(pid) == ticks for pid, ticks in children):
            time.sleep(0.02)

    def _freeze(self, name):
        with self.lock:
            self.frozen[name] = self.stack.process(name).pid
            signal_family(self.frozen[name], signal.SIGSTOP)

    def _thaw(self, name):
        with self.lock:
            signal_family(self.frozen.pop(name), signal.SIGCONT)

    def _start(self, struck, name):
        with self.lock:
            self.stack.start_again(name)
            self.held.discard(name)
        struck.ended = time.time()
        self._until_ready(name)
        struck.ready = time.time()

    def _until_ready(self, name):
        deadline = time.monotonic() + READY_SECONDS
        while local_stack.fault(self.stack.process(name)):
            if time.monotonic() > deadline or self.over:
                raise StackError(f"{name} was not ready within {READY_SECONDS} s")
            time.sleep(0.05)

    # ---- the rest ----

    def watch(self):
        """Starts again what ended by itself, as any supervisor would, and remembers it."""
        with self.lock:
            for name, process in self.stack.processes.items():
                if name in self.held or process.alive():
                    continue
                status = process.exit_status()
                self.exits.append((time.time(), name, status, process.log_tail(3)))
                self.say(f"{name} ended by itself with status {status}\n{process.log_tail(3)}")
                self.stack.start_again(name)

    def heal(self, seconds):
        """Waits until all faults are over and everything is ready. Returns what is not."""
        deadline = time.monotonic() + seconds
        waiting = [thread for thread in self.threads if thread.is_alive()]
        while waiting and time.monotonic() < deadline:
            self.watch()
            waiting[0].join(0.2)
            waiting = [thread for thread in waiting if thread.is_alive()]
        while time.monotonic() < deadline:
            self.watch()
            faults = {name: local_stack.fault(process) for name, process in self.stack.processes.items()}
            wrong = {name: fault for name, fault in faults.items() if fault}
            if not wrong:
                return {}
            time.sleep(0.1)
        return wrong

    def release(self):
        """Lets nothing stay frozen, whatever happened."""
        self.over = True
        with self.lock:
            for pid in self.frozen.values():
                signal_family(pid, signal.SIGCONT)
            self.frozen.clear()
