"""Somebody who means harm, as a process of its own: python3 abuser.py KIND, with the settings as JSON on standard input.
Says "at it" once what takes time to build up is there, goes on until it is told to stop (standard input closes), and
prints what it counted as JSON. It comes from addresses of its own, so that limits by source are not what stops it."""
import json
import os
import random
import select
import socket
import ssl
import sys
import time

ADDRESSES = 40  # that it comes from: below what the edge allows each


class Abuser:
    def __init__(self, settings):
        self.settings = settings
        self.context = ssl.create_default_context(cafile=settings["authority"])
        self.context.check_hostname = False
        self.sources = [f"127.77.{random.randint(0, 255)}.{n}" for n in range(1, ADDRESSES + 1)]
        self.next_source = 0
        self.count = {"connected": 0, "refused": 0, "sent": 0, "answered": 0}
        self.held = []

    def connect(self, port, tls=True):
        """A connection, or None if the edge did not want it."""
        source = self.sources[self.next_source % ADDRESSES]
        self.next_source += 1
        try:
            sock = socket.create_connection(("127.0.0.1", self.settings[port]), timeout=3, source_address=(source, 0))
            if tls:
                sock = self.context.wrap_socket(sock, server_hostname="localhost")
            self.count["connected"] += 1
            return sock
        except OSError:
            self.count["refused"] += 1
            return None

    def send(self, sock, data):
        """False once the other side has had enough."""
        try:
            sock.sendall(data)
            self.count["sent"] += len(data)
            return True
        except OSError:
            return False

    def stopped(self, seconds=0.0):
        """Waits a little, and looks whether we are told to stop."""
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    def at_it(self):
        print("at it", flush=True)

    # ---- kinds ----

    def slowloris(self):
        """A thousand heads that never end, a byte a second each; whoever is thrown out comes again."""
        head = b"GET /api/v1/teams HTTP/1.1\r\nHost: localhost\r\nX-"
        while len(self.held) < self.settings["connections"] and not self.stopped():
            if sock := self.connect("https"):
                self.send(sock, head)
                self.held.append(sock)
        self.at_it()
        while not self.stopped(1):
            self.held = [sock for sock in self.held if self.send(sock, b"a")]
            lost = self.settings["connections"] - len(self.held)
            for _ in range(min(lost, 200)):
                if sock := self.connect("https"):
                    self.send(sock, head)
                    self.held.append(sock)

    def half_open(self):
        """Connections that say nothing, or half of a TLS greeting, on all ports; none is ever closed."""
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(40)
        for n in range(self.settings["connections"]):
            port, tls, first = [("https", False, hello), ("devices-tls", False, hello), ("devices", False, b""), ("http", False, b""),
                                ("devices-tls", True, b""), ("devices", False, b"\x80")][n % 6]
            if sock := self.connect(port, tls):
                self.send(sock, first)
                self.held.append(sock)
        self.at_it()
        while not self.stopped(0.5):
            pass

    def large(self):
        """Heads and bodies of a megabyte, one after the other."""
        requests = [b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 8000) for n in range(128)) + b"\r\n",
                    b"GET /" + b"a" * 1000000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1000000,
                    b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60000]
        self.at_it()
        while not self.stopped(0.02):
            self.once("https", random.choice(requests))

    def garbage(self):
        """Bytes that are nothing, and whole requests behind them, on every port, inside of TLS and without."""
        self.at_it()
        while not self.stopped(0.01):
            junk = random.randbytes(random.randint(1, 3000))
            pipelined = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * random.randint(1, 50) + junk
            port, tls = random.choice([("https", True), ("https", False), ("http", False), ("devices-tls", True), ("devices", False)])
            self.once(port, random.choice([junk, pipelined, b"\x80" * 12, b"\xff\xff\xff\x7f" + junk]), tls)

    def once(self, port, data, tls=True):
        sock = self.connect(port, tls)
        if not sock:
            return
        self.send(sock, data)
        sock.settimeout(0.2)
        try:
            self.count["answered"] += bool(sock.recv(65536))
        except OSError:
            pass
        sock.close()

    def storm(self):
        """As many connects a second as can be, to both of the edge's doors; each is dropped at once."""
        self.at_it()
        until = time.monotonic()
        while not self.stopped():
            for _ in range(100):
                sock = self.connect(random.choice(["devices", "devices-tls", "http", "https"]), tls=False)
                if sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # no TIME_WAIT of ours
                    sock.close()
            until += 100 / self.settings["connects_per_s"]
            time.sleep(max(0.0, until - time.monotonic()))

    def flood(self):
        """A device with a good token that sends reports of a hundred positions as fast as it is read."""
        sys.path.insert(0, self.settings["python"])
        import device_pb2
        from devices import frame
        sock = self.connect("devices-tls")
        sock.sendall(frame(device_pb2.DeviceMessage(hello={"token": self.settings["token"], "protocol": 1}).SerializeToString()))
        sock.setblocking(False)
        self.at_it()
        taken_at_us, number, unsent, answers = time.time_ns() // 1000 - 40_000_000_000, 0, b"", b""
        while not self.stopped():
            if not unsent:
                number += 1
                positions = []
                for _ in range(100):
                    taken_at_us += 1000
                    positions.append({"taken_at_us": taken_at_us, "latitude_e7": 473768812, "longitude_e7": 85417231})
                body = device_pb2.DeviceMessage(report={"number": number, "positions": positions, "ack_now": number % 16 == 0})
                unsent = frame(body.SerializeToString())
            try:
                sent = sock.send(unsent)
                unsent = unsent[sent:]
                self.count["sent"] += sent
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                select.select([sock], [], [], 0.01)
            try:
                answers += sock.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        self.count["acked"] = acked_reports(answers, device_pb2) * 100


def acked_reports(data, device_pb2):
    """The last report that these messages ack."""
    acked = 0
    while data:
        length, shift, at = 0, 0, 0
        while at < len(data):
            length |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                break
        if len(data) < at + length or not at:
            break
        message = device_pb2.TrackerMessage.FromString(data[at:at + length])
        if message.HasField("ack"):
            acked = message.ack.report
        data = data[at + length:]
    return acked


def main():
    os.nice(10)  # it is the servers that are looked at, not who has the processor
    abuser = Abuser(json.loads(sys.stdin.readline()))
    getattr(abuser, sys.argv[1])()
    print(json.dumps(abuser.count), flush=True)
    os._exit(0)  # without saying goodbye on a thousand connections


main()
