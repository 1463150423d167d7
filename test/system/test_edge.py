"""The edge: TLS for devices and browsers, requests that are what they seem, limits by source, and whose address it is."""
import json
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from devices import Device, frame, now_us, position, worker_token
from stack import EDGE_ADDRESS, free_ports
from views import PROGRAMS, Stack, error_code, fetch, metrics, running, trusting, wait_for

TEAM = "team-1"
HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    environment = {"MUSTER_LOG_LEVEL": "debug"}
    with running(Stack(tmp_path_factory.mktemp("edge"), PROGRAMS, trackers=1, gateways=1, environment=environment)) as here:
        yield here


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    """With limits that a test can reach. Each test comes from addresses of its own, so that they do not share them."""
    here = Stack(tmp_path_factory.mktemp("limited"), PROGRAMS, trackers=1, gateways=1, limits={
        "device_connections": 5, "device_connects": 12, "http_connections": 6, "http_connects": 15, "http_requests": 10})
    here.up()
    try:
        yield here
        assert here.down() == [], "programs had to be killed"
    finally:
        here.down()


def connect(stack, port="https", context=None, source=None):
    plain = socket.create_connection(("127.0.0.1", stack.ports[port]), timeout=10, source_address=(source, 0) if source else None)
    return (context or trusting(stack)).wrap_socket(plain, server_hostname="localhost")


def read_until_quiet(sock, seconds=0.7):
    """All that comes until the other side closes, or says nothing for that long; and whether it has closed."""
    sock.settimeout(seconds)
    received = b""
    try:
        while more := sock.recv(65536):
            received += more
    except TimeoutError:
        return received, False
    except OSError:
        pass
    return received, True


def ask(stack, request, source=None):
    """The bytes that the edge answers to these bytes, by TLS."""
    with connect(stack, source=source) as sock:
        sock.sendall(request)
        return read_until_quiet(sock)[0]


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


# ---- TLS ----


@pytest.mark.parametrize("port", ["https", "devices-tls"])
@pytest.mark.parametrize("version, name", [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")])
def test_tls_1_2_and_1_3_are_spoken(stack, port, version, name):
    context = trusting(stack)
    context.minimum_version = context.maximum_version = version
    with connect(stack, port, context) as sock:
        assert sock.version() == name
        assert "GCM" in sock.cipher()[0] or "CHACHA20" in sock.cipher()[0]


@pytest.mark.parametrize("port", ["https", "devices-tls"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_tls_is_refused(stack, port, version):
    context = trusting(stack)
    context.set_ciphers("ALL:@SECLEVEL=0")  # else our own side would not even try
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match="(?i)alert protocol version"):
        connect(stack, port, context)


def test_a_cipher_without_forward_secrecy_is_refused(stack):
    context = trusting(stack)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises(ssl.SSLError, match="(?i)handshake failure"):
        connect(stack, "https", context)


def test_the_certificate_is_for_this_machine_only(stack):
    with pytest.raises(ssl.SSLCertVerificationError):  # an authority that the machine does not know
        connect(stack, context=ssl.create_default_context())
    plain = socket.create_connection(("127.0.0.1", stack.ports["https"]))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname"):
        trusting(stack).wrap_socket(plain, server_hostname="example.org")
    text = subprocess.run(["openssl", "x509", "-in", stack.authority, "-noout", "-text"], capture_output=True, encoding="utf-8",
                          check=True).stdout
    assert "Name Constraints: critical" in text and "DNS:localhost" in text


@pytest.mark.parametrize("offered, chosen", [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)])
def test_browsers_are_offered_h2(stack, offered, chosen):
    with connect(stack, "https", trusting(stack, *offered)) as sock:
        assert sock.selected_alpn_protocol() == chosen


def test_six_views_and_a_request_share_one_h2_connection_and_a_websocket_is_in_it(stack):
    with Device(stack.device_address) as device:
        device.hello(worker_token(stack.key, "van", TEAM))
        device.report(position())
        device.receive()
    token = stack.mint("--role", "manager", "--team", TEAM, "--subject", "m")
    done = subprocess.run(["node", HERE / "h2_client.mjs", stack.https_url, stack.authority, TEAM, "6"], input=token,
                          capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["alpn"] == "h2" and seen["status"] == 200
    assert [view["status"] for view in seen["views"]] == [200] * 6
    assert len({view["id"] for view in seen["views"]}) == 6
    assert seen["took_ms"] < 1000
    assert seen["socket"] == {"status": 200, "protocol": "muster.v1.json", "snapshot": True, "pong": True}


def test_a_device_is_served_by_tls(stack):
    with Device(stack.device_tls_address, tls=trusting(stack)) as device:
        assert device.hello(worker_token(stack.key, "tls-van", TEAM)).HasField("welcome")
        for _ in range(3):
            device.report(position(now_us()))
            assert device.receive().ack.report == device.reports


def test_the_tls_port_takes_no_plain_bytes(stack):
    with Device(stack.device_tls_address) as device:
        device.send_bytes(b"\x0a\x05hello")
        data, closed = read_until_quiet(device.socket, 3)
        assert closed and b"welcome" not in data


# ---- whose address it is ----


def header_of(source, destination="127.0.0.1"):
    """A PROXY v2 header, as the edge sends it."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(">HH", 4321, 7300)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x11, len(addresses)) + addresses


def logged(stack, name, pattern, seconds=5):
    return wait_for(lambda: re.search(pattern, stack.process(name).log_text()), seconds)


@pytest.mark.parametrize("tls", [True, False])
def test_a_tracker_learns_the_devices_address_from_the_edge(stack, tls):
    name, source = f"far-{tls}", "127.3.2.1" if tls else "127.3.2.2"
    address = stack.device_tls_address if tls else stack.device_address
    with Device(address, tls=trusting(stack) if tls else None, source=source) as device:
        assert device.hello(worker_token(stack.key, name, TEAM)).HasField("welcome")
    assert logged(stack, "tracker-1", rf"event=session_opened worker=\S*{name} source={re.escape(source)} ")


def test_a_device_cannot_make_up_an_address(stack):
    """Behind the edge's own header another is no message; and who is not the edge must not send one at all."""
    forged = header_of("8.8.8.8")
    token = worker_token(stack.key, "liar", TEAM)
    for how in ({"address": stack.device_tls_address, "tls": trusting(stack)}, {"address": stack.device_address},
                {"address": stack.own_device_address("tracker-1")}, {"address": stack.own_device_address("tracker-1"), "source": "127.0.0.2"}):
        with Device(**how, early=forged) as device:
            device.send(hello={"token": token, "protocol": 1})
            assert device.receive_error() in ("MALFORMED", "FRAME_TOO_LONG", "HELLO_EXPECTED"), how
    assert "8.8.8.8" not in stack.process("tracker-1").log_text()


def test_a_tracker_takes_nothing_from_the_edge_without_its_header(stack):
    address, token = stack.own_device_address("tracker-1"), worker_token(stack.key, "headless", TEAM)
    with Device(address, source=EDGE_ADDRESS) as device:
        try:
            device.send(hello={"token": token, "protocol": 1})
            assert device.receive() is None
        except ConnectionError:
            pass
    whole = header_of("198.51.100.9")
    for wrong in (whole[:12] + b"\x11" + whole[13:], whole[:13] + b"\x12" + whole[14:], b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
                  whole[:14] + b"\xff\xff" + whole[16:]):
        with Device(address, source=EDGE_ADDRESS, early=wrong) as device:
            assert device.receive() is None
    with Device(address, source=EDGE_ADDRESS) as device:  # byte by byte, the message right behind it
        for byte in whole[:-1]:
            device.send_bytes(bytes([byte]))
            time.sleep(0.002)
        hello = Device.hello
        device.bytes = b""
        body = frame(__import__("device_pb2").DeviceMessage(hello={"token": token, "protocol": 1}).SerializeToString())
        device.send_bytes(whole[-1:] + body)
        assert device.receive().HasField("welcome"), hello
    assert logged(stack, "tracker-1", r"worker=\S*headless source=198\.51\.100\.9 ")


def test_a_refused_device_is_logged_with_its_address_and_not_too_often(stack):
    for _ in range(30):
        with Device(stack.device_tls_address, tls=trusting(stack), source="127.3.2.7") as device:
            device.send(hello={"token": "nonsense", "protocol": 1})
            assert device.receive_error() == "TOKEN_INVALID"
    lines = re.findall(r"event=device_refused source=127\.3\.2\.7 code=ERROR_TOKEN_INVALID", stack.process("tracker-1").log_text())
    assert 1 <= len(lines) <= 30
    stamps = [line[3:22] for line in stack.process("tracker-1").log_text().splitlines() if "event=device_refused" in line]
    assert max(stamps.count(stamp) for stamp in stamps) <= 20  # 10 a second, of a clock that turns at another time


def test_a_gateway_learns_the_clients_address_from_the_edge_and_believes_nobody_else(stack):
    get = "GET /api/v1/teams HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-For: 8.8.4.4, 9.9.9.9\r\n\r\n"
    assert statuses(ask(stack, get.encode(), "127.3.2.5")) == [401]
    assert logged(stack, "gateway-1", r"event=request_refused client=127\.3\.2\.5 status=401")
    for source in ("127.0.0.1", EDGE_ADDRESS):
        with socket.create_connection(("127.0.0.1", stack.ports["gateway-1"]), source_address=(source, 0)) as direct:
            direct.sendall(get.encode())
            assert statuses(read_until_quiet(direct)[0]) == [401]
    log = wait_for(lambda: (text := stack.process("gateway-1").log_text()) and "client=9.9.9.9" in text and text)
    assert "client=127.0.0.1" in log and "8.8.8.8" not in log and "8.8.4.4" not in log


def cookie(answer):
    return next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"set-cookie:"))


def test_only_the_edge_can_say_that_it_was_tls(stack):
    token = stack.mint("--role", "manager", "--team", TEAM, "--subject", "m")
    login = f"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    assert b"Secure" in cookie(ask(stack, f"{login}X-Forwarded-Proto: http\r\n\r\n".encode()))
    # What names headers of the edge as the connection's own does not take them away.
    assert b"Secure" in cookie(ask(stack, f"{login}Connection: close, X-Forwarded-Proto, X-Forwarded-For\r\n\r\n".encode()))
    for port in ("http", "gateway-1"):
        with socket.create_connection(("127.0.0.1", stack.ports[port])) as plain:
            plain.sendall(f"{login}X-Forwarded-Proto: https\r\n\r\n".encode())
            assert b"Secure" not in cookie(read_until_quiet(plain)[0])


# ---- who may connect at all ----


def own_address():
    """An address of this machine that is not loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


ENV = {"MUSTER_TOKEN_KEY": "k" * 32, "MUSTER_DATABASE_URL": "postgresql://127.0.0.1:9/none", "MUSTER_NATS_URL": "nats://127.0.0.1:9",
       "PATH": os.environ["PATH"]}


def alone(program, listen, *options):
    """A server without NATS and Postgres; it listens nevertheless."""
    command = [PROGRAMS / f"muster-{program}", "--listen", listen, *(["--admin", "127.0.0.1:0"] if program == "tracker" else []), *options]
    return subprocess.Popen([str(part) for part in command], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")


@pytest.mark.parametrize("program", ["tracker", "gateway"])
@pytest.mark.parametrize("host", ["0.0.0.0", "10.9.8.7"])
def test_a_server_does_not_listen_beyond_this_machine_unasked(program, host):
    server = alone(program, f"{host}:{free_ports(1)[0]}")
    said, _ = server.communicate(timeout=10)
    assert server.returncode == 2 and len(said.splitlines()) == 1
    assert "--trusted-proxies" in said and "--listen-without-edge" in said


@pytest.mark.parametrize("program", ["tracker", "gateway"])
@pytest.mark.parametrize("wrong", ["everybody", "10.0.0.0/40", "10.0.0.0/8,"])
def test_a_broken_list_of_proxies_is_refused(program, wrong):
    server = alone(program, "127.0.0.1:0", "--trusted-proxies", wrong)
    said, _ = server.communicate(timeout=10)
    assert server.returncode == 2 and "trusted-proxies" in said


def is_served(program, address):
    """Whether a connection gets any answer."""
    host, port = address
    deadline = time.monotonic() + 10
    while True:
        try:
            sock = socket.create_connection((host, port), timeout=5)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n" if program == "gateway" else b"\xff" * 20)
        return read_until_quiet(sock, 3)[0] != b""


@pytest.mark.parametrize("program", ["tracker", "gateway"])
def test_beyond_this_machine_only_the_edge_may_connect_unless_everybody_was_asked_in(program):
    mine = own_address()
    if not mine:
        pytest.skip("this machine has no address but loopback")
    for options, served in ((["--trusted-proxies", "203.0.113.0/24"], False), (["--listen-without-edge"], True)):
        port = free_ports(1)[0]
        server = alone(program, f"0.0.0.0:{port}", *options)
        try:
            assert is_served(program, ("127.0.0.1", port))
            assert is_served(program, (mine, port)) == served, options
        finally:
            server.kill()
            server.communicate()


# ---- requests that are not what they seem ----

HOST = b"Host: localhost\r\n"
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
REFUSED = {
    "CL and TE": b"Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE and CL": b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE alone": b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE of an unknown kind": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE behind a tab": b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE before a space": b"Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two CLs": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two CLs in one": b"Content-Length: 5, 6\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a signed CL": b"Content-Length: +5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a negative CL": b"Content-Length: -5\r\n\r\n" + HIDDEN,
    "a CL beyond numbers": b"Content-Length: 99999999999999999999\r\n\r\n" + HIDDEN,
    "CR alone": b"X-A: b\rTransfer-Encoding: chunked\r\n\r\n" + HIDDEN,
    "a space in a name": b"X A: b\r\n\r\n",
    "a name without a colon": b"X-A\r\n\r\n",
    "a second Host": b"Host: elsewhere\r\n\r\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_hide_a_second_request_is_refused(stack, what):
    before = paths_seen(stack)
    answer = ask(stack, b"POST /api/v1/session HTTP/1.1\r\n" + HOST + REFUSED[what])
    assert statuses(answer) == [400], answer
    assert paths_seen(stack) == before, "it came through to the gateway"


def paths_seen(stack):
    """Answers of the gateway that are refusals: what POST without a token, and the hidden request, would get."""
    return metrics(stack.own_url("gateway-1"))['muster_gateway_http_requests_total{status="4xx"}']


def test_what_only_the_gateway_refuses(stack):
    assert statuses(ask(stack, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\0c\r\n\r\n")) == [400]


def test_what_the_edge_reads_leniently_reaches_gateways_as_one_meaning(stack):
    """HAProxy takes folded lines and bare line feeds, which it cannot be told not to, but passes on what it understood:
    a gateway never sees them, and both count the same requests."""
    folded = b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    answer = ask(stack, folded)
    assert statuses(answer)[0] == 200  # the folded part is a value; what stands behind the head is no request
    assert statuses(answer)[1:] in ([], [400])
    twice = b"GET /healthz HTTP/1.1\nHost: localhost\n\n" * 2
    assert statuses(ask(stack, twice)) == [200, 200]
    mixed = b"GET /healthz HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n"
    assert statuses(ask(stack, mixed)) == [200]


@pytest.mark.parametrize("request_line, status", [
    (b"TRACE / HTTP/1.1", 405), (b"CONNECT localhost:80 HTTP/1.1", 405), (b"PUT / HTTP/1.1", 405), (b"PATCH /api/v1/teams HTTP/1.1", 405),
    (b"GET http://elsewhere/healthz HTTP/1.1", 400), (b"GET /healthz#x HTTP/1.1", 400), (b"GET /metrics HTTP/1.1", 404),
    (b"GET /%6detrics HTTP/1.1", 404), (b"GET /metrics/ HTTP/1.1", 404), (b"GET /healthz HTTP/1.1", 200)])
def test_request_lines(stack, request_line, status):
    assert statuses(ask(stack, request_line + b"\r\n" + HOST + b"\r\n")) == [status]


@pytest.mark.parametrize("what, head", [("a long line", b"X-A: " + b"a" * 20000 + b"\r\n"), ("a long path", None),
                                        ("many lines", b"".join(b"X-%d: a\r\n" % i for i in range(100))),
                                        ("a megabyte", b"".join(b"X-%d: %s\r\n" % (i, b"a" * 8000) for i in range(128)))])
def test_heads_have_a_limit(stack, what, head):
    path = b"/" + b"a" * 20000 if head is None else b"/healthz"
    with connect(stack) as sock:
        try:
            sock.sendall(b"GET " + path + b" HTTP/1.1\r\n" + HOST + (head or b"") + b"\r\n")
        except OSError:
            pass  # it has closed already
        assert statuses(read_until_quiet(sock)[0]) in ([400], []), what
    assert statuses(ask(stack, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 12000 + b"\r\n\r\n")) == [200]


def test_a_body_has_a_limit(stack):
    head = b"POST /api/v1/session HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n"
    assert statuses(ask(stack, head % 1000000 + b"a" * 1000)) == [413]
    assert statuses(ask(stack, head % 1000 + b"a" * 1000)) == [401]


def test_the_edges_own_errors_have_the_form_of_the_apis(stack):
    for request, code in ((b"TRACE / HTTP/1.1\r\n" + HOST, "method_not_allowed"), (b"GET /metrics HTTP/1.1\r\n" + HOST, "not_found"),
                          (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n", "bad_request")):
        head, body = ask(stack, request + b"\r\n" + (b"0\r\n\r\n" if b"chunked" in request else b"")).split(b"\r\n\r\n", 1)
        assert b"content-type: application/json" in head.lower()
        assert json.loads(body)["error"]["code"] == code


def test_without_a_gateway_the_edge_says_so_in_json(tmp_path):
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1)
    here.up()
    try:
        here.kill("gateway-1")
        context = trusting(here)
        request = urllib.request.Request(here.https_url + "/api/v1/teams")

        def refusal():
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10, context=context)
            answer = refused.value
            return answer.code, error_code((answer.code, answer.headers, answer.read()))

        # The edge may have a connection left to the one that was killed.
        assert refusal() in ((502, "bad_gateway"), (503, "unavailable"))
        wait_for(lambda: refusal() == (503, "unavailable"))
    finally:
        here.down()


# ---- limits by source ----


def own_source():
    return f"127.{random.randint(10, 250)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


def test_too_many_requests_of_one_source_are_answered_with_429_and_others_are_served(limited):
    source, request = own_source(), b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    answers = [ask_quickly(limited, request, source) for _ in range(14)]
    assert [status for status, _ in answers[:10]] == [200] * 10
    assert {status for status, _ in answers[10:]} == {429}
    head, body = answers[-1][1].split(b"\r\n\r\n", 1)
    assert json.loads(body)["error"]["code"] == "too_many_requests" and b"retry-after: 10" in head.lower()
    assert ask_quickly(limited, request, own_source())[0] == 200


def ask_quickly(stack, request, source):
    with connect(stack, source=source) as sock:
        sock.sendall(request)
        answer = b""
        while not re.search(rb"\r\n\r\n.", answer, re.DOTALL):
            answer += sock.recv(65536)
        return statuses(answer)[0], answer


def hold(stack, port, source, count):
    """Opens so many connections; returns those that the edge took."""
    held = []
    for _ in range(count):
        try:
            held.append(connect(stack, port, source=source))
        except OSError:
            pass
    return held


@pytest.mark.parametrize("port, most", [("https", 6), ("devices-tls", 5)])
def test_one_source_holds_so_many_connections_and_others_still_come_in(limited, port, most):
    source = own_source()
    held = hold(limited, port, source, most + 3)
    assert len(held) == most
    assert len(hold(limited, port, own_source(), 1)) == 1
    for sock in held:
        sock.close()
    wait_for(lambda: hold(limited, port, source, 1))


@pytest.mark.parametrize("port, most", [("https", 15), ("devices-tls", 12)])
def test_one_source_connects_so_often(limited, port, most):
    source, taken = own_source(), 0
    for _ in range(most + 6):
        for sock in hold(limited, port, source, 1):
            taken += 1
            sock.close()
    assert taken == most
    assert len(hold(limited, port, own_source(), 1)) == 1


def test_limits_are_for_those_who_come_by_tls(limited):
    """On this machine, without TLS, thousands of simulated devices have one address."""
    devices = [Device(limited.device_address) for _ in range(20)]
    for device in devices:
        device.send(ping={})
        assert device.receive_error() == "HELLO_EXPECTED"
        device.close()
    assert {fetch(limited.http_url + "/healthz")[0] for _ in range(20)} == {200}


def test_a_view_by_tls_lasts_and_is_live(stack):
    """Longer than a request may take to come in, and than the gateways' heartbeats."""
    token = stack.mint("--role", "manager", "--team", "live-team", "--subject", "m")
    with connect(stack) as sock, Device(stack.device_tls_address, tls=trusting(stack)) as device:
        device.hello(worker_token(stack.key, "van", "live-team"))
        device.report(position())
        device.receive()
        sock.sendall(f"GET /api/v1/teams/live-team/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        seen = b""
        while b"event: snapshot" not in seen:
            seen += sock.recv(65536)
        sock.settimeout(20)
        while b"event: heartbeat" not in seen:
            seen += sock.recv(65536)
        sent = now_us()
        device.report(position(sent))
        sock.settimeout(2)
        while str(sent).encode() not in seen:
            seen += sock.recv(65536)
