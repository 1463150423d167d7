"""What a gateway does when many come at once, when clients come and say nothing, and when there is no room."""
import contextlib
import json
import select
import socket
import threading
import time
import urllib.parse

import pytest

from views import PROGRAMS, Stack, View, fetch, metrics, wait_for

SILENT, TRICKLING, CROWD = 3000, 100, 2000
PATIENCE_S = 2  # of somebody who waits for an answer meanwhile


def gateway(tmp_path_factory, name, *options):
    return Stack(tmp_path_factory.mktemp(name), PROGRAMS, trackers=1, gateways=1, options={"gateway": list(options)})


def running(stack):
    stack.up()
    yield stack
    assert stack.down() == [], "programs had to be killed"
    assert stack.process("gateway-1").exit_status() == 0
    assert "Sanitizer" not in stack.process("gateway-1").log_text()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """Room for six views, four of a team, two with a token."""
    yield from running(gateway(tmp_path_factory, "narrow", "--max-viewers", "6", "--max-viewers-per-team", "4",
                               "--max-viewers-per-token", "2"))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    yield from running(gateway(tmp_path_factory, "wide", "--max-viewers-per-token", "0"))


def mint(stack, team, who):
    return stack.mint("--role", "manager", "--team", team, "--subject", who)


def connect(url):
    address = urllib.parse.urlparse(url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def refusal(url, team, token):
    """(status, code, seconds to wait) of a view that is refused."""
    status, headers, body = fetch(f"{url}/api/v1/teams/{team}/stream", token)
    return status, json.loads(body)["error"]["code"], int(headers["Retry-After"])


def is_open(url, team, token):
    try:
        with View(url, team, token) as view:
            return view.head.startswith("HTTP/1.1 200")
    except EOFError:
        return False


def test_each_limit_refuses_with_its_own_answer_and_a_place_is_free_again(narrow):
    url = narrow.own_url("gateway-1")
    tokens = {who: mint(narrow, "team-a", who) for who in ("anna", "ben", "carl")}
    other = [mint(narrow, "team-b", who) for who in ("dora", "emil")]
    with contextlib.ExitStack() as views:
        hold = lambda team, token: views.enter_context(View(url, team, token))  # noqa: E731
        first = hold("team-a", tokens["anna"])
        hold("team-a", tokens["anna"])
        status, code, wait_s = refusal(url, "team-a", tokens["anna"])
        assert (status, wait_s > 0) == (429, True) and code.startswith("too_many")
        hold("team-a", tokens["ben"])
        hold("team-a", tokens["ben"])
        assert refusal(url, "team-a", tokens["carl"])[:2] == (503, "team_full")
        hold("team-b", other[0])
        hold("team-b", other[0])
        assert refusal(url, "team-b", other[1])[:2] == (503, "full")
        assert fetch(url + "/api/v1/teams", other[1])[0] == 200  # only views are refused
        first.close()
        wait_for(lambda: metrics(url)["muster_gateway_viewers"] == 5)
        hold("team-a", tokens["anna"])
    wait_for(lambda: metrics(url)["muster_gateway_viewers"] == 0)
    assert is_open(url, "team-b", other[1])


def answered(url, token, team):
    """The longest that anybody waited for a page, an answer and a view."""
    longest = 0
    for what in ("/", "/healthz", "/api/v1/teams"):
        begun = time.monotonic()
        assert fetch(url + what, token)[0] == 200
        longest = max(longest, time.monotonic() - begun)
    begun = time.monotonic()
    with View(url, team, token) as view:
        assert view.next()[0] == "snapshot"
    return max(longest, time.monotonic() - begun)


class Trickle:
    """Connections that send a head byte by byte, for ever new."""

    def __init__(self, url, count):
        self.url, self.stop = url, threading.Event()
        self.sockets = [connect(url) for _ in range(count)]
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        at = 0
        head = b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"y" * 10000
        while not self.stop.wait(0.02):
            for i, client in enumerate(self.sockets):
                try:
                    client.sendall(head[at % len(head):at % len(head) + 1])
                except OSError:
                    client.close()
                    self.sockets[i] = connect(self.url)
            at += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        for client in self.sockets:
            client.close()


def test_silent_and_trickling_connections_keep_nobody_waiting(wide):
    url = wide.own_url("gateway-1")
    token = mint(wide, "team-s", "anna")
    assert answered(url, token, "team-s") < PATIENCE_S
    with contextlib.ExitStack() as silent:
        for _ in range(SILENT):
            silent.enter_context(connect(url))
        with Trickle(url, TRICKLING):
            until, longest = time.monotonic() + 10, 0
            while time.monotonic() < until:
                longest = max(longest, answered(url, token, "team-s"))
                assert longest < PATIENCE_S
                time.sleep(0.2)
    assert answered(url, token, "team-s") < PATIENCE_S
    print(f"longest {longest:.3f} s")


def test_a_crowd_that_comes_at_once_is_let_in_whole_and_its_team_loaded_once(wide):
    url = wide.own_url("gateway-1")
    token = mint(wide, "team-crowd", "anna")
    before = metrics(url)
    request = (f"GET /api/v1/teams/team-crowd/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n").encode()
    address = urllib.parse.urlparse(url)
    with contextlib.ExitStack() as crowd:
        clients = []
        for _ in range(CROWD):
            client = crowd.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((address.hostname, address.port))
            clients.append(client)
        begun = time.monotonic()
        poller, by_fd, got = select.epoll(), {c.fileno(): c for c in clients}, {}
        for client in clients:
            poller.register(client.fileno(), select.EPOLLOUT)
        deadline = begun + 30
        while len(got) < CROWD or not all(b"event: snapshot" in data for data in got.values()):
            assert time.monotonic() < deadline, f"{len(got)} of {CROWD} were answered"
            for fd, event in poller.poll(1):
                if event & select.EPOLLOUT and fd not in got:
                    assert by_fd[fd].send(request) == len(request)
                    got[fd] = b""
                    poller.modify(fd, select.EPOLLIN)
                elif event & select.EPOLLIN:
                    more = by_fd[fd].recv(65536)
                    assert more, "a view was closed"
                    got[fd] += more
        took = time.monotonic() - begun
        assert all(data.startswith(b"HTTP/1.1 200") for data in got.values())
        after = metrics(url)
        assert after["muster_gateway_viewers"] - before["muster_gateway_viewers"] == CROWD
        assert after["muster_gateway_joins_total"] - before["muster_gateway_joins_total"] == 1
        assert fetch(url + "/healthz")[0] == 200
    print(f"{CROWD} views in {took:.2f} s")


def test_idle_kept_connections_keep_nobody_waiting(wide):
    """A browser holds six, and says nothing on most of them."""
    url = wide.own_url("gateway-1")
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    token = mint(wide, "team-s", "anna")
    stop = threading.Event()

    def come_again():
        while not stop.is_set():
            with connect(url) as client:
                client.sendall(request)
                client.recv(4096)
                stop.wait(0.3)

    threads = [threading.Thread(target=come_again) for _ in range(200)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        longest = max(answered(url, token, "team-s") for _ in range(5))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert longest < PATIENCE_S
