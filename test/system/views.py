"""Looking at a gateway from a test: HTTP requests, live views, and a stand-in for trackers on NATS."""
import base64
import hashlib
import json
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUSTER_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "deploy" / "local"))
sys.path.insert(0, str(BUILD / "gen" / "py"))
from stack import Stack  # noqa: E402, F401
import team_pb2  # noqa: E402
import view_pb2  # noqa: E402

PROGRAMS = BUILD / "bin"
SANITIZED = b"__sanitizer" in (PROGRAMS / "muster-gateway").read_bytes() if PROGRAMS.exists() else False


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


def trusting(stack, *alpn):
    """A client's context that trusts the development authority and nobody else."""
    context = ssl.create_default_context(cafile=stack.authority)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


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


@contextmanager
def running(stack):
    """The stack, up; in the end nothing had to be killed, and no sanitizer has complained."""
    stack.up()
    try:
        yield stack
        assert stack.down() == [], "programs had to be killed"
        for name, process in stack.processes.items():
            assert "Sanitizer" not in process.log_text(), name
    finally:
        stack.down()


class View:
    """A live view over SSE: next() reads one event and applies it to rows, as a client would. What does not come within
    `patience_s` is a TimeoutError that says what did come: the gateway's heartbeats would keep a reader waiting for ever."""

    patience_s = 25
    path = "stream"

    def __init__(self, url, team, token, query="", receive_buffer=None, early=b""):
        address = urllib.parse.urlparse(url)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(15)
        self.socket.connect((address.hostname, address.port))
        self.socket = self._secured(self.socket)
        self.team, self.seen = team, []  # seen: the newest events, for the message of a TimeoutError
        head = (f"GET /api/v1/teams/{team}/{self.path}{query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
                f"Authorization: Bearer {token}\r\n{self._headers()}\r\n")
        self.socket.sendall(head.encode() + early)
        self.bytes, self.received = b"", 0  # received: bytes of the body, also of those not read yet
        self.rows, self.version = {}, 0
        self.head = self._take(b"\r\n\r\n", self._deadline()).decode()
        self.received = len(self.bytes)

    def _headers(self):
        return ""

    def _secured(self, sock):
        """For views by TLS."""
        return sock

    def _deadline(self):
        return time.monotonic() + self.patience_s

    def _receive(self, deadline, wanted):
        """More bytes."""
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
        self.received += len(more)

    def _take(self, end, deadline, wanted="answer"):
        while end not in self.bytes:
            self._receive(deadline, wanted)
        taken, self.bytes = self.bytes.split(end, 1)
        return taken

    def _read(self, deadline, wanted):
        """(event, data) of the next event, whatever it is."""
        text = self._take(b"\n\n", deadline, wanted).decode()
        fields = dict(line.split(": ", 1) for line in text.split("\n"))
        return ("retry", None) if "event" not in fields else (fields["event"], json.loads(fields["data"]))

    def _next(self, deadline, wanted):
        event = "heartbeat"
        while event in ("heartbeat", "retry"):
            event, data = self._read(deadline, wanted)
            self.seen = [*self.seen[-4:], event]
        if event in ("snapshot", "delta"):
            self._apply(event, data)
        return event, data

    def _apply(self, event, data):
        if event == "snapshot":
            self.rows = {}
        assert data["version"] >= self.version
        self.version = data["version"]
        self.rows.update((row[0], row) for row in data["rows"])
        for worker in data.get("left", []):
            del self.rows[worker]

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


CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload, final=True, masked=True, reserved=0):
    """A frame as a client sends it, right or wrong."""
    size, mask, flag = len(payload), random.randbytes(4) if masked else b"", masked << 7
    head = bytes([final << 7 | reserved << 4 | opcode])
    head += (bytes([flag | size]) if size < 126 else struct.pack(">BH", flag | 126, size) if size < 65536
             else struct.pack(">BQ", flag | 127, size))
    if masked:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + mask + payload


def wanted_filter(protocol, **wanted):
    """(opcode, payload) of the message that asks for it; see SocketView.ask."""
    if protocol == "json":
        return TEXT, json.dumps(wanted).encode()
    message = view_pb2.ViewFilter(interval_ms=wanted.get("interval_ms"))
    if wanted.get("bbox"):
        west, south, east, north = (round(degrees * 10**7) for degrees in wanted["bbox"])
        message.bbox.CopyFrom(view_pb2.ViewBox(west_e7=west, south_e7=south, east_e7=east, north_e7=north))
    elif "bbox" in wanted:
        message.whole_team = True
    return BINARY, message.SerializeToString()


class Closed(EOFError):
    """The gateway said goodbye; `code` is what its close frame says, None if nothing."""

    def __init__(self, payload):
        super().__init__(payload)
        self.code = struct.unpack(">H", payload[:2])[0] if payload else None


class SocketView(View):
    """A live view over a WebSocket (RFC 6455), with the same events and rows as a View. protocol: json or protobuf.
    early: bytes to send together with the handshake."""

    path = "socket"

    def __init__(self, url, team, token, query="", receive_buffer=None, early=b"", protocol="json"):
        self.protocol, self.key = protocol, base64.b64encode(random.randbytes(16)).decode()
        self.pongs = []  # payloads
        self.names, self.trackers, self.base = {}, {}, None  # what numbers of a protobuf stream mean
        super().__init__(url, team, token, query, receive_buffer, early)
        status, *lines = self.head.split("\r\n")
        assert " 101 " in status, self.head
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        digest = hashlib.sha1(f"{self.key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        assert headers["sec-websocket-protocol"] == f"muster.v1.{protocol}"

    def _headers(self):
        return (f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {self.key}\r\n"
                f"Sec-WebSocket-Protocol: muster.v1.{self.protocol}\r\n")

    # ---- sending ----

    def send(self, opcode, payload, **how):
        """One frame, right or wrong."""
        self.socket.sendall(frame(opcode, payload, **how))

    def ask(self, **wanted):
        """bbox=(west, south, east, north) in degrees, or None for the whole team; interval_ms."""
        self.send(*wanted_filter(self.protocol, **wanted))

    # ---- receiving ----

    def _take_bytes(self, count, deadline, wanted):
        while len(self.bytes) < count:
            self._receive(deadline, wanted)
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def _frame(self, deadline, wanted):
        """(opcode, payload) of the next frame; what no server may send fails."""
        first, second = self._take_bytes(2, deadline, wanted)
        assert first & 0xf0 == 0x80 and second < 0x80, "a whole, unmasked frame without reserved bits"
        size = second
        if second == 126:
            size, = struct.unpack(">H", self._take_bytes(2, deadline, wanted))
            assert size > 125
        elif second == 127:
            size, = struct.unpack(">Q", self._take_bytes(8, deadline, wanted))
            assert size > 65535
        return first & 0x0f, self._take_bytes(size, deadline, wanted)

    def _read(self, deadline, wanted):
        while True:
            opcode, payload = self._frame(deadline, wanted)
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == PONG:
                self.pongs.append(payload)
                return "pong", payload
            elif opcode == CLOSE:
                raise Closed(payload)
            elif self.protocol == "json":
                assert opcode == TEXT
                message = json.loads(payload)
                assert set(message) == {"event", "data"}
                return message["event"], message["data"]
            else:
                assert opcode == BINARY
                return self._open(view_pb2.ViewEvent.FromString(payload))

    def until_closed(self):
        """Reads to the gateway's close frame, and then to the end of the connection; returns the code."""
        try:
            while True:
                self.next()
        except Closed as closed:
            code = closed.code
        try:
            self._receive(self._deadline(), "end of the connection")
        except EOFError:
            return code
        raise AssertionError(f"bytes after a close frame: {self.bytes}")

    # ---- protobuf, in the form of JSON ----

    def _open(self, message):
        (field, body), = message.ListFields()
        if field.name not in ("snapshot", "delta"):
            return field.name, {field.name: value for field, value in body.ListFields()}
        if field.name == "snapshot":
            self.names, self.trackers, self.base = {}, {}, body
        self.trackers.update((tracker.number, tracker.id) for tracker in body.trackers)
        data = {"version": body.version, "time_us": body.time_us, "rows": [self._row(row) for row in body.rows]}
        if field.name == "snapshot":
            data["team"] = body.team
        elif body.left:
            data["left"] = [self.names[number] for number in body.left]
        return field.name, data

    def _row(self, row):
        """A row with the columns that it has in JSON."""
        def value(name, scale=None, base=0):
            if not row.HasField(name):
                return None
            number = base + getattr(row, name)
            return number / scale if scale else number

        if row.HasField("worker"):
            assert self.names.setdefault(row.number, row.worker) == row.worker
        base = self.base
        return [self.names[row.number], value("taken_at_us", None, base.base_time_us),
                value("longitude_e7", 10**7, base.base_longitude_e7), value("latitude_e7", 10**7, base.base_latitude_e7),
                value("speed_cm_s", 100), value("heading_cdeg", 100), value("accuracy_cm", 100), value("altitude_cm", 100),
                value("battery_percent"), ["online", "stale", "offline"][row.status],
                self.trackers[row.tracker] if row.HasField("tracker") else None]


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

    def listen(self, subject):
        """Returns once the server passes on to us what is published there."""
        self._send(f"SUB {subject} 1\r\n".encode())
        self.flush()

    def next_message(self):
        """The body of the next message that comes."""
        while True:
            head = self.reader.readline().split()
            if head[0] == b"PING":
                self._send(b"PONG\r\n")
            elif head[0] == b"MSG":
                return self.reader.read(int(head[-1]) + 2)[:-2]

    def next_updates(self):
        """The updates of the next live batch that has some."""
        while not (updates := team_pb2.TeamBatch.FromString(self.next_message()).updates):
            pass
        return updates

    def update(self, worker, taken_at_us, team=None, latitude_e7=473768812, longitude_e7=85417231):
        position = {"taken_at_us": taken_at_us, "latitude_e7": latitude_e7, "longitude_e7": longitude_e7}
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
