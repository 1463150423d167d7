"""A device in Python: the protocol of docs/protocol.md, one blocking socket, for tests that say things no device should."""
import base64
import hashlib
import hmac
import json
import socket
import time

import views  # noqa: F401 - puts the generated Python on the path
import device_pb2


def now_us():
    return time.time_ns() // 1000


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def frame(body):
    return varint(len(body)) + body


def sign(key, claims, header=None):
    """A token with any claims, also impossible ones, which muster-token would not mint."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = part(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.new(key.encode(), text, hashlib.sha256).digest())).decode()


def worker_token(key, worker, team, seconds=3600):
    return sign(key, {"sub": worker, "role": "worker", "team": team, "exp": int(time.time()) + seconds})


def position(taken_at_us=None, latitude_e7=473768812, longitude_e7=85417231, **more):
    fields = {"taken_at_us": taken_at_us or now_us(), "latitude_e7": latitude_e7, "longitude_e7": longitude_e7, **more}
    return device_pb2.Position(**{name: value for name, value in fields.items() if value is not None})


class Device:
    """tls: an SSLContext, for the edge's port. source: the address of ours to connect from. early: bytes in front of all."""

    def __init__(self, address, receive_buffer=None, tls=None, source=None, early=b""):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(15)
        self.socket.connect((host, int(port)))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.sendall(early)
        self.bytes = b""
        self.reports = 0

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send(self, **body):
        self.send_bytes(frame(device_pb2.DeviceMessage(**body).SerializeToString()))

    def hello(self, token, protocol=1):
        """Says Hello and returns the answer."""
        self.send(hello=device_pb2.Hello(token=token, protocol=protocol, agent="test"))
        return self.receive()

    def report(self, *positions, ack_now=True, number=None):
        self.reports = number if number is not None else self.reports + 1
        self.send(report=device_pb2.Report(number=self.reports, positions=positions, ack_now=ack_now))

    def receive(self):
        """The next message, or None once the tracker has closed the connection."""
        while True:
            length, shift = 0, 0
            for i, byte in enumerate(self.bytes):
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    if len(self.bytes) < i + 1 + length:
                        break
                    body, self.bytes = self.bytes[i + 1:i + 1 + length], self.bytes[i + 1 + length:]
                    return device_pb2.TrackerMessage.FromString(body)
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.bytes += more

    def receive_error(self):
        """The name of the Error that comes next; after it the connection must be closed."""
        message = self.receive()
        assert message is not None and message.WhichOneof("body") == "error", message
        assert self.receive() is None, "the connection is still open"
        return device_pb2.ErrorCode.Name(message.error.code).removeprefix("ERROR_")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
