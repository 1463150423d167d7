"""Under each abuse what is live stays live, newcomers are served, memory stays, and nothing that was acked is lost."""
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from devices import worker_token
from views import BUILD, PROGRAMS, SANITIZED, Stack, View, metrics, running, trusting, wait_for

HERE = Path(__file__).resolve().parent
SECONDS = 6  # of load, before and under each abuse
GROWTH_MB = 50


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(Stack(tmp_path_factory.mktemp("abuse"), PROGRAMS, trackers=2, gateways=2)) as here:
        load(here, "warm")
        yield here


def load(stack, name):
    """Workers and viewers for some seconds. The simulator itself sees to it that all that was sent is acked, all that was
    acked is recorded, and every view was right; returns its report."""
    report = stack.run / f"{name}.json"
    command = [PROGRAMS / "muster-simulator", "--workers", 200, "--teams", 4, "--viewers", 40, "--view-protocol", "mixed",
               "--duration", SECONDS, "--connect", stack.device_address, "--http", stack.http_url, "--report", report]
    done = subprocess.run([str(part) for part in command], capture_output=True, encoding="utf-8", timeout=90, check=False,
                          env=os.environ | {"MUSTER_WORKER_KEY": stack.key, "MUSTER_DATABASE_URL": stack.database_url})
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text(encoding="utf-8"))
    assert figures["acked"] == figures["recorded"] == figures["sent"] > 0
    return figures


@contextmanager
def abuse(stack, kind, **more):
    """It is under way inside; yields a dict that has its counts afterwards."""
    settings = {name: stack.ports[name] for name in ("http", "https", "devices", "devices-tls")} | more
    settings |= {"authority": str(stack.authority), "python": str(BUILD / "gen" / "py")}
    abuser = subprocess.Popen([sys.executable, HERE / "abuser.py", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
                              env=os.environ | {"MUSTER_BUILD": str(BUILD)})
    counts = {}
    try:
        abuser.stdin.write(json.dumps(settings) + "\n")
        abuser.stdin.flush()
        assert abuser.stdout.readline() == "at it\n"
        yield counts
        abuser.stdin.close()
        counts.update(json.loads(abuser.stdout.read()))
    finally:
        abuser.kill()
        abuser.wait()


class Memory:
    """The most that each program has come to have, above what it had at first."""

    def __init__(self, stack):
        self.pids = {name: process.pid for name, process in stack.processes.items() if name not in ("postgres", "nats")}
        self.first, self.most, self.ended = self.now(), {}, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def now(self):
        lines = {name: Path(f"/proc/{pid}/status").read_text(encoding="ascii") for name, pid in self.pids.items()}
        return {name: int(text.split("VmRSS:")[1].split()[0]) / 1024 for name, text in lines.items()}

    def watch(self):
        while not self.ended.wait(0.1):
            for name, megabytes in self.now().items():
                self.most[name] = max(self.most.get(name, 0), megabytes - self.first[name])

    def end(self):
        self.ended.set()
        self.thread.join()
        return self.most


class TlsView(View):
    """A view through the edge's TLS."""

    def __init__(self, stack, team, token):
        self.stack = stack
        super().__init__(stack.https_url, team, token)

    def _secured(self, sock):
        return trusting(self.stack).wrap_socket(sock, server_hostname="localhost")


def newcomer_seconds(stack, token):
    """How long somebody who opens the map waits for it, at worst, of some."""
    worst = 0.0
    for n in range(5):
        started = time.monotonic()
        with TlsView(stack, f"team-{n % 4 + 1}", token) as view:
            view.until("snapshot")
        worst = max(worst, time.monotonic() - started)
        time.sleep(0.3)
    return worst


def hold_against(stack, kind, **settings):
    """The load without and with the abuse, and what must be true of the difference. Returns the abuser's counts."""
    token = stack.mint("--role", "admin", "--subject", "boss")
    before = load(stack, f"{kind}-before")["view_ms"]
    memory = Memory(stack)
    with abuse(stack, kind, **settings) as counts:
        waits = []
        newcomer = threading.Thread(target=lambda: waits.append(newcomer_seconds(stack, token)))
        newcomer.start()
        under = load(stack, f"{kind}-under")["view_ms"]
        newcomer.join()
        grown = memory.end()
    print(f"\n{kind}: view p99 {before['p99']:.0f} ms before, {under['p99']:.0f} under ({under['p99'] / before['p99']:.2f}); "
          f"newcomers {max(waits, default=-1):.2f} s; grown by " +
          ", ".join(f"{name} {megabytes:.1f}" for name, megabytes in grown.items()) + f" MB; {counts}")
    assert waits
    if SANITIZED:  # they keep what was freed for a while, and are slow: that nothing breaks is what they show
        return counts
    assert waits[0] < 1.0
    assert {name: megabytes for name, megabytes in grown.items() if megabytes > GROWTH_MB} == {}
    assert under["p99"] <= 1.5 * before["p99"]
    return counts


def test_a_thousand_slow_heads(stack):
    counts = hold_against(stack, "slowloris", connections=1000)
    assert counts["connected"] >= 1000


def test_megabytes_of_heads_and_bodies(stack):
    counts = hold_against(stack, "large")
    assert counts["connected"] > 50 and counts["answered"] > 0


def test_garbage_in_pipelines(stack):
    counts = hold_against(stack, "garbage")
    assert counts["connected"] > 100


def test_connections_that_are_half_open(stack):
    counts = hold_against(stack, "half_open", connections=1200)
    assert counts["connected"] == 1200


def test_storms_of_connects(stack):
    counts = hold_against(stack, "storm", connects_per_s=10000)
    assert counts["connected"] > 5000


def test_a_device_that_floods(stack):
    """It is read more slowly: what it was acked is there, and nobody else notices."""
    before = holds(stack)
    counts = hold_against(stack, "flood", token=worker_token(stack.key, "flooder", "flood-team"))
    assert counts["acked"] > 1000

    def recorded():
        with psycopg.connect(stack.database_url) as database:
            return database.execute("SELECT count(*) FROM position_history h JOIN worker w ON w.id = h.worker_id"
                                    " WHERE w.name = 'flooder'").fetchone()[0]

    wait_for(lambda: recorded() >= counts["acked"], 30)
    assert holds(stack) > before, "it was never held back"


def holds(stack):
    """How often devices were held back."""
    return sum(value for name in stack.trackers for metric, value in metrics(stack.own_url(name)).items()
               if metric.startswith("muster_tracker_holds_total"))


def test_everything_answers_after_all_that(stack):
    """Whoever was refused is forgotten, and nobody has died."""
    for name, process in stack.processes.items():
        assert process.alive(), name
    load(stack, "after")
