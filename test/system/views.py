"""Looking at a gateway from a test: HTTP requests, live views, and a stand-in for trackers on NATS."""
import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUSTER_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "deploy" / "local"))
sys.path.insert(0, str(BUILD / "gen" / "py"))
from stack import Stack  # noqa: E402, F401
import team_pb2  # noqa: E402

PROGRAMS = BUILD / "bin"


def fetch(url, token=None, method="GET", headers=None):
    """(status, headers, body) of one request, whatever the status is."""
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def error_code(answer):
    """The code of an error answer; its shape is checked on the way."""
    status, headers, body = answer
    assert status >= 400 and headers["Content-Type"] == "application/json"
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message"}
    return error["code"]


def metrics(url):
    lines = fetch(url + "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def wait_for(condition, seconds=10):
    """Polls until condition() is true, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return result


class View:
    """A live view: next() reads one event and applies it to rows, as a client would. What does not come within
    `patience_s` is a TimeoutError that says what did come: the gateway's heartbeats would keep a reader waiting for ever."""

    patience_s = 25

    def __init__(self, url, team, token, query="", receive_buffer=None):
        address = urllib.parse.urlparse(url)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(15)
        self.socket.connect((address.hostname, address.port))
        self.team, self.seen = team, []  # seen: the newest events, for the message of a TimeoutError
        head = f"GET /api/v1/teams/{team}/stream{query} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self.socket.sendall(f"{head}\r\n".encode())
        self.bytes = b""
        self.rows, self.version = {}, 0
        self.head = self._take(b"\r\n\r\n", self._deadline()).decode()

    def _deadline(self):
        return time.monotonic() + self.patience_s

    def _take(self, end, deadline, wanted="answer"):
        while end not in self.bytes:
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self.socket.settimeout(left)
                more = self.socket.recv(65536)
            except TimeoutError:
                seen = ", ".join(self.seen) or "none"
                raise TimeoutError(f"view of {self.team}: no {wanted} within {self.patience_s} s; it is at version "
                                   f"{self.version} with {len(self.rows)} rows, and its last events are: {seen}") from None
            if not more:
                raise EOFError
            self.bytes += more
        taken, self.bytes = self.bytes.split(end, 1)
        return taken

    def _next(self, deadline, wanted):
        event = "heartbeat"
        while event == "heartbeat":
            text = self._take(b"\n\n", deadline, wanted).decode()
            fields = dict(line.split(": ", 1) for line in text.split("\n"))
            event = fields.get("event", "heartbeat")
            self.seen = [*self.seen[-4:], event]
        data = json.loads(fields["data"])
        if event == "snapshot":
            self.rows = {}
        if event in ("snapshot", "delta"):
            assert data["version"] >= self.version
            self.version = data["version"]
            self.rows.update((row[0], row) for row in data["rows"])
        return event, data

    def next(self):
        """(event, data) of the next event that says anything: heartbeats do not."""
        return self._next(self._deadline(), "event")

    def until(self, wanted):
        """Reads on to the next event of this name and returns its data."""
        deadline = self._deadline()
        while True:
            event, data = self._next(deadline, wanted)
            if event == wanted:
                return data

    def until_rows(self, condition, what):
        """Reads on until condition(rows) is true, and returns the data of the event that made it so. `what` says in
        words what is waited for."""
        deadline, data = self._deadline(), None
        while not condition(self.rows):
            data = self._next(deadline, f"event that brings {what}")[1]
        return data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class FakeTracker:
    """Publishes on NATS what a tracker would, so that a test decides what is lost and when."""

    def __init__(self, nats_url, name="ghost"):
        address = urllib.parse.urlparse(nats_url)
        self.name, self.started_at_us = name, time.time_ns() // 1000
        self.lock = threading.Lock()
        self.socket = socket.create_connection((address.hostname, address.port), timeout=10)
        self.reader = self.socket.makefile("rb")
        self.reader.readline()
        login = {"user": address.username, "pass": address.password, "verbose": False, "pedantic": False}
        self._send(f"CONNECT {json.dumps(login)}\r\n".encode())
        self.flush()

    def _send(self, data):
        with self.lock:
            self.socket.sendall(data)

    def flush(self):
        """Returns once the server has taken everything before."""
        self._send(b"PING\r\n")
        while self.reader.readline() != b"PONG\r\n":
            pass

    def publish(self, subject, message):
        body = message.SerializeToString()
        self._send(f"PUB {subject} {len(body)}\r\n".encode() + body + b"\r\n")

    def send_all(self, subject, bodies):
        """Publishes serialized messages as fast as can be."""
        self._send(b"".join(f"PUB {subject} {len(body)}\r\n".encode() + body + b"\r\n" for body in bodies))

    def update(self, worker, taken_at_us, team=None):
        position = {"taken_at_us": taken_at_us, "latitude_e7": 473768812, "longitude_e7": 85417231}
        return team_pb2.Update(worker=worker, position=position, received_at_us=taken_at_us, team=team)

    def presence(self, worker, online, session_us, team=None):
        presence = {"online": online, "session_us": session_us, "at_us": session_us}
        return team_pb2.Update(worker=worker, presence=presence, received_at_us=session_us, team=team)

    def live(self, team, number, updates):
        batch = team_pb2.TeamBatch(tracker=self.name, started_at_us=self.started_at_us, number=number, updates=updates)
        self.publish(f"muster.pos.{team}", batch)

    def log(self, number, updates):
        batch = team_pb2.LogBatch(tracker=self.name, started_at_us=self.started_at_us, number=number, updates=updates)
        self.publish("muster.log.0", batch)

    def heartbeat(self, log_number, log_acked=0, live_lost=0):
        now_us = time.time_ns() // 1000
        self.publish(f"muster.replica.tracker.{self.name}", team_pb2.Replica(
            kind="tracker", id=self.name, started_at_us=self.started_at_us, at_us=now_us, log_number=log_number,
            log_acked=log_acked, live_lost=live_lost))

    def close(self):
        self.socket.close()
