"""The handshake of a WebSocket view: what is refused and how, and that nothing a client sends behind it gets lost."""
import base64
import hashlib
import json
import os
import socket
import struct
import time
import urllib.parse

import pytest

from views import PROGRAMS, Stack, fetch

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3, and what a server must make of it
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PATH = "/api/v1/teams/team-1/socket"
GOOD = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Protocol": "muster.v1.json"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    here = Stack(tmp_path_factory.mktemp("socket"), PROGRAMS, trackers=1, gateways=1)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    assert here.process("gateway-1").exit_status() == 0
    assert "Sanitizer" not in here.process("gateway-1").log_text()


@pytest.fixture(scope="module")
def url(stack):
    return stack.own_url("gateway-1")


@pytest.fixture(scope="module")
def manager(stack):
    return stack.mint("--role", "manager", "--team", "team-1", "--subject", "anna")


def handshake(url, token, changes=None, path=PATH):
    """The bytes of a handshake; changes: header lines that replace GOOD's, None leaves one out."""
    headers = {"Host": urllib.parse.urlparse(url).netloc, "Authorization": f"Bearer {token}", **GOOD, **(changes or {})}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join([f"GET {path} HTTP/1.1", *lines]) + "\r\n\r\n").encode()


class Client:
    """A connection, and what came on it."""

    def __init__(self, url):
        address = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def send(self, data):
        self.socket.sendall(data)

    def take(self, count):
        while len(self.bytes) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(f"after {self.bytes!r}")
            self.bytes += more
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def head(self):
        """(status, headers) of the next answer."""
        while b"\r\n\r\n" not in self.bytes:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(f"after {self.bytes!r}")
            self.bytes += more
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}

    def answer(self):
        """(status, headers, body) of one with a length."""
        status, headers = self.head()
        return status, headers, self.take(int(headers["content-length"]))

    def frame(self):
        """(opcode, payload) of the next frame."""
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            length, = struct.unpack(">H", self.take(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.take(8))
        return first & 0x0F, self.take(length)

    def until(self, wanted):
        """The frames before the first of which wanted(opcode, payload) is true."""
        before = []
        while not wanted(*(frame := self.frame())):
            before.append(frame)
        return before

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def frame(opcode, payload):
    """A frame of up to 125 bytes, masked as a client must."""
    mask = os.urandom(4)
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


@pytest.mark.parametrize("changes, status, header", [
    ({"Upgrade": None}, 426, "upgrade"),
    ({"Upgrade": "h2c"}, 426, "upgrade"),
    ({"Connection": None}, 426, "upgrade"),
    ({"Connection": "keep-alive"}, 426, "upgrade"),
    ({"Sec-WebSocket-Version": None}, 426, "sec-websocket-version"),
    ({"Sec-WebSocket-Version": "8"}, 426, "sec-websocket-version"),
    ({"Sec-WebSocket-Key": None}, 400, None),
    ({"Sec-WebSocket-Key": ""}, 400, None),
    ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400, None),
    ({"Sec-WebSocket-Key": KEY + "!"}, 400, None),
    ({"Sec-WebSocket-Protocol": None}, 400, None),
    ({"Sec-WebSocket-Protocol": "chat, muster.v2.json"}, 400, None),
    ({"Origin": "https://evil.example"}, 403, None),
    ({"Origin": "null"}, 403, None),
    ({"Authorization": None}, 401, "www-authenticate"),
])
def test_a_wrong_handshake_is_refused_in_json(url, manager, changes, status, header):
    with Client(url) as client:
        client.send(handshake(url, manager, changes))
        got, headers, body = client.answer()
        error = json.loads(body)["error"]
        assert (got, set(error)) == (status, {"code", "message"})
        assert header is None or headers[header]
        assert header != "sec-websocket-version" or headers[header] == "13"


@pytest.mark.parametrize("path, status", [
    (PATH + "?interval_ms=-1", 400), (PATH + "?bbox=1,2,3", 400), (PATH + "?bbox=0,60,0,50", 400), (PATH + "?x=1", 400),
    ("/api/v1/teams/team-2/socket", 403), ("/api/v1/teams/a.b/socket", 404),
])
def test_the_query_and_the_team_are_checked_as_for_a_stream(url, manager, path, status):
    with Client(url) as client:
        client.send(handshake(url, manager, path=path))
        assert client.answer()[0] == status
    assert fetch(url + path.replace("socket", "stream"), manager)[0] == status


def test_a_page_that_is_no_websocket_client_is_told_what_is_wanted(url, manager):
    status, headers, _ = fetch(url + PATH, manager)
    assert status == 426 and headers["Upgrade"] == "websocket"


@pytest.mark.parametrize("changes, protocol", [
    ({}, "muster.v1.json"),
    ({"Sec-WebSocket-Protocol": "muster.v1.protobuf"}, "muster.v1.protobuf"),
    ({"Sec-WebSocket-Protocol": "chat, muster.v1.protobuf,muster.v1.json"}, "muster.v1.protobuf"),
    ({"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}, "muster.v1.json"),
    ({"Origin": "OWN"}, "muster.v1.json"),
    ({"Sec-WebSocket-Extensions": "permessage-deflate"}, "muster.v1.json"),
])
def test_a_right_handshake_is_accepted(url, manager, changes, protocol):
    own = {"OWN": f"http://{urllib.parse.urlparse(url).netloc}"}
    with Client(url) as client:
        client.send(handshake(url, manager, {name: own.get(value, value) for name, value in changes.items()}))
        status, headers = client.head()
        assert status == 101 and headers["upgrade"].lower() == "websocket"
        assert headers["sec-websocket-accept"] == ACCEPT
        assert headers["sec-websocket-protocol"] == protocol
        assert "sec-websocket-extensions" not in headers
        assert client.frame()[0] == (2 if protocol.endswith("protobuf") else 1)  # the snapshot


def test_the_accept_value_is_of_this_handshakes_key(url, manager):
    key = base64.b64encode(os.urandom(16)).decode()
    expected = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    with Client(url) as client:
        client.send(handshake(url, manager, {"Sec-WebSocket-Key": key}))
        assert client.head()[1]["sec-websocket-accept"] == expected


def early_frames(number):
    """Three frames of which each has an effect of its own, and the bytes of the pong that must be the last of them."""
    text = f"{number}-".encode() + b"x" * (10 + number % 50)
    return frame(1, b'{"colour":"red"}') + frame(1, b'{"interval_ms":0}') + frame(9, text), text


def assert_heard(client, text):
    """All three: what is refused comes as an error, and the ping is answered; a frame that was missed or doubled would
    end the connection."""
    assert client.head()[0] == 101
    before = client.until(lambda opcode, payload: (opcode, payload) == (10, text))
    assert any(opcode == 1 and json.loads(payload)["event"] == "error" for opcode, payload in before)
    assert all(opcode in (1, 10) for opcode, _ in before)


def test_frames_in_the_same_packet_as_the_handshake_are_heard(url, manager):
    for number in range(30):
        data, text = early_frames(number)
        with Client(url) as client:
            client.send(handshake(url, manager) + data)
            assert_heard(client, text)


def test_a_frame_that_is_cut_by_the_handshakes_packet_is_heard(url, manager):
    data, text = early_frames(0)
    for cut in range(1, len(data), 7):
        with Client(url) as client:
            client.send(handshake(url, manager) + data[:cut])
            time.sleep(0.002 * (cut % 3))  # before, while and after it is answered
            client.send(data[cut:])
            assert_heard(client, text)


def test_a_handshake_in_pieces_is_heard_whole(url, manager):
    data, text = early_frames(1)
    whole = handshake(url, manager) + data
    end = len(whole) - len(data)
    for cuts in ([1], [end - 4], [end - 3], [end - 2], [end - 1], [end], [end + 1], [5, 50, end - 1, end + 3]):
        with Client(url) as client:
            for begin, stop in zip([0, *cuts], [*cuts, len(whole)]):
                client.send(whole[begin:stop])
                time.sleep(0.03)
            assert_heard(client, text)


def test_many_frames_behind_a_handshake_are_heard(url, manager):
    texts = [f"{i}".encode() * 20 for i in range(400)]
    with Client(url) as client:
        client.send(handshake(url, manager) + b"".join(frame(9, text) for text in texts))
        assert client.head()[0] == 101
        # Of pings that come together only the last is answered (RFC 6455 5.5.3).
        pongs = [text for opcode, text in client.until(lambda opcode, text: text == texts[-1]) if opcode == 10]
        assert pongs == [text for text in texts if text in pongs]


def test_a_connection_that_was_used_before_can_become_a_view(url, manager):
    """A proxy's kept connections: nothing of the earlier requests may be taken for the client's first frames."""
    plain = f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Pad: {'p' * 900}\r\n\r\n".encode()
    with Client(url) as client:
        for _ in range(3):
            client.send(plain)
            assert client.answer()[2] == b"ok\n"
        client.send(handshake(url, manager))
        assert client.head()[0] == 101
        assert client.frame()[0] == 1  # the snapshot
        client.send(frame(9, b"mine"))
        assert client.frame() == (10, b"mine")


@pytest.mark.parametrize("lead", [b"\r\n", b"\n\n", b" ", b"\r\n\r\n" + b" " * 600])
def test_white_space_before_a_request_brings_back_nothing_of_other_clients(url, manager, lead):
    """CivetWeb passes over it, and over the end of what it has read: into another client's request, token and all."""
    secret = f"GET /api/v1/teams HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {manager}\r\n\r\n".encode()
    for _ in range(40):  # until all workers' buffers have seen it
        with Client(url) as client:
            client.send(secret * 3)
            for _ in range(3):
                assert client.answer()[0] == 200
    for size in range(0, 1200, 37):
        with Client(url) as client:
            client.socket.settimeout(1)
            client.send(lead + b" " * size + b"\n\n")
            client.socket.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while more := client.socket.recv(65536):
                    got += more
            except (ConnectionResetError, TimeoutError):
                pass
            assert b"team" not in got and not got.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("ending", ["end", "urgent"])
def test_no_byte_of_another_client_completes_a_frame(url, manager, ending):
    """What the kernel counts as received, but no read gives, must not be taken for bytes in CivetWeb's buffer: there is
    what other clients sent before."""
    secret = f"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Secret: {'S' * 3000}\r\n\r\n".encode()
    for _ in range(60):  # until all buffers have it
        with Client(url) as client:
            client.send(secret)
            assert client.answer()[0] == 200
    unmasked_ping = bytes([0x89, 0x84, 0, 0, 0, 0])  # of 4 bytes, which come back as they are
    for _ in range(20):
        with Client(url) as client:
            client.socket.settimeout(0.3)
            client.socket.send(handshake(url, manager) + unmasked_ping + b"abc")
            if ending == "end":
                client.socket.shutdown(socket.SHUT_WR)
            else:
                client.socket.send(b"!", socket.MSG_OOB)
            try:
                while more := client.socket.recv(65536):
                    client.bytes += more
            except (TimeoutError, ConnectionResetError):
                pass
            assert b"\x8a\x04" not in client.bytes or client.bytes.endswith(b"\x8a\x04abc!")
