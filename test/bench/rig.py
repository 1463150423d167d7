"""The real programs under load: a stack of trackers and gateways, simulated devices, and the bench's own programs beside
them. Nothing is left behind."""
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

import meter
import postgres
import stack as local_stack
from figures import Invalid

PATIENCE_S = 60


class Child:
    """One of the bench's programs, which takes lines and answers with lines."""

    def __init__(self, command, env=None):
        self.name = os.path.basename(str(command[0]))
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        encoding="utf-8", env=os.environ | (env or {}))
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    @property
    def pid(self):
        return self.process.pid

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, seconds=PATIENCE_S):
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise Invalid(f"{self.name} does not answer") from None
        if line is None:
            raise Invalid(f"{self.name} has ended")
        return json.loads(line)

    def end(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        if self.process.wait(PATIENCE_S) != 0:
            raise Invalid(f"{self.name} failed")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Crowd(Child):
    """See crowd.c. Every mark is checked: views that differ, or events that break the rules, make a run invalid."""

    def __init__(self, rig, ports, viewers, teams, **options):
        flags = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
        super().__init__([rig.tools / "crowd", "--ports", ",".join(map(str, ports)), "--viewers", viewers, "--teams",
                          teams, *flags], {"MUSTER_TOKEN_KEY": rig.stack.key})

    def _said(self, what, seconds=PATIENCE_S):
        answer = self.hear(seconds)
        if answer["said"] != what:
            raise Invalid(f"the crowd said {answer} instead of {what}")
        return answer

    def all(self, seconds=PATIENCE_S):
        return self._said("all", seconds)

    def mark(self):
        self.tell("mark")
        mark = self._said("mark")
        for fault in ("bad", "differing", "backward"):
            if mark[fault]:
                raise Invalid(f"{mark[fault]} events were {fault}")
        return mark

    def bring_stuck(self):
        self.tell("stuck")
        self.all()

    def send_away(self):
        self.tell("part")

    def read(self):
        self.tell("read")
        return self._said("read")

    def states(self, path):
        self.tell(f"states {path}")
        return self._said("states")


class Devices:
    """A simulator. to: the trackers' addresses, or else the first tracker's. options: further ones of the simulator."""

    def __init__(self, rig, name, workers, teams, interval_ms=1000, connect_rate=4000, to=None, options=()):
        self.timeline, self.report, self.log = (rig.folder / (name + file)
                                                for file in ("timeline.jsonl", "report.json", "simulator.log"))
        self.timeline.unlink(missing_ok=True)  # of those before
        command = [rig.stack.programs / "muster-simulator", "--workers", workers, "--teams", teams, "--interval-ms",
                   interval_ms, "--connect", to or rig.stack.own_device_address("tracker-1"), "--connect-rate",
                   connect_rate, "--report", self.report, "--timeline", self.timeline, *options]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log,
                                            env=os.environ | {"MUSTER_WORKER_KEY": rig.stack.key,
                                                              "MUSTER_DATABASE_URL": rig.stack.database_url})
        self.pid = self.process.pid

    def _is_sending(self):
        try:
            lines = self.timeline.read_text(encoding="utf-8").splitlines()[:-1]
        except FileNotFoundError:
            return False
        return bool(lines) and json.loads(lines[-1])["taken"] > 0

    def await_sending(self):
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_sending():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Invalid(f"the devices do not send: see {self.log}")
            time.sleep(0.1)

    def end(self):
        """They stop, wait for their acks and go. Returns the simulator's report, which must be clean: all that was sent
        is acked, and recorded."""
        self.process.send_signal(signal.SIGINT)
        return self.await_end(PATIENCE_S)

    def await_end(self, seconds):
        """The same of those that end by themselves."""
        if self.process.wait(seconds) != 0:
            raise Invalid(f"not all positions were acked and recorded: see {self.log}")
        return json.loads(self.report.read_text(encoding="utf-8"))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Rig:
    """options: further ones of the gateways. link: as Stack's."""

    def __init__(self, folder, build, gateways=1, options=(), link=None, trackers=1):
        self.folder, self.tools = folder, build / "bench"
        self.children = []
        self.fleets, self.devices = [], None
        run = folder / "run"
        if run.exists():  # a run before was killed
            local_stack.stop(run)
            postgres.remove(run)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.stack = local_stack.Stack(run, build / "bin", trackers, gateways, options={"gateway": [*map(str, options)]},
                                       environment={"MUSTER_LOG_LEVEL": "warn"}, link=link)

    def __enter__(self):
        self.stack.up()
        return self

    def __exit__(self, *_):
        for child in [*self.children, *self.fleets]:
            child.kill()
        killed = self.stack.down()
        postgres.remove(self.stack.run)
        shutil.rmtree(self.stack.run / "nats", ignore_errors=True)
        if killed:
            print(f"bench: had to be killed: {', '.join(killed)}", file=sys.stderr)

    def pid(self, name):
        return self.stack.process(name).pid

    def port(self, name):
        return self.stack.ports[name]

    def metric(self, gateway, name):
        return meter.metrics(self.stack.own_url(gateway))[f"muster_gateway_{name}"]

    def tracker_metrics(self, name):
        return meter.metrics(self.stack.own_url(name))

    def leader(self):
        """The tracker that records."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            leaders = [name for name in self.stack.trackers if self.tracker_metrics(name)["muster_recorder_leader"]]
            if len(leaders) == 1:
                return leaders[0]
            time.sleep(0.1)
        raise Invalid("there is no recorder")

    def others(self):
        """The trackers that do not record: what they use is for taking in."""
        leader = self.leader()
        return [name for name in self.stack.trackers if name != leader]

    def nats(self, page):
        """What the NATS server says of itself: varz, connz, jsz."""
        return meter.page(f"http://127.0.0.1:{self.port('nats-monitor')}/{page}")

    def cpu_seconds(self):
        """By kind of program, with all of its processes; "load" is the simulator's."""
        used = {"load": sum(meter.tree_seconds(devices.pid) for devices in self.fleets)}
        for name, process in self.stack.processes.items():
            kind = name.split("-")[0]
            used[kind] = used.get(kind, 0) + meter.tree_seconds(process.pid)
        for child in self.children:
            if child.process.poll() is None:
                used[child.name] = used.get(child.name, 0) + meter.tree_seconds(child.pid)
        return used

    # ---- devices ----

    def start_devices(self, workers, teams, **how):
        """Returns once all of them are sending."""
        self.devices = self.add_devices("", workers, teams, **how)
        self.devices.await_sending()

    def add_devices(self, name, workers, teams, **how):
        """Further ones, under a name of their own."""
        devices = Devices(self, name, workers, teams, **how)
        self.fleets.append(devices)
        return devices

    def end_devices(self):
        return self.devices.end()

    # ---- the bench's programs ----

    def crowd(self, viewers, teams, gateways=("gateway-1",), ports=None, **options):
        crowd = Crowd(self, ports or [self.port(name) for name in gateways], viewers, teams, **options)
        self.children.append(crowd)
        return crowd

    def blast(self, trace):
        port = local_stack.free_ports(1)[0]
        blast = Child([self.tools / "blast", port, trace])
        self.children.append(blast)
        blast.port = port
        deadline = time.monotonic() + PATIENCE_S
        while local_stack.is_free(port):
            if time.monotonic() > deadline:
                raise Invalid("blast does not listen")
            time.sleep(0.02)
        return blast
