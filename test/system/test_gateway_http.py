"""A gateway's HTTP API: who gets in, what is refused and how, the page's files, and starting with bad settings."""
import base64
import http.client
import json
import os
import socket
import subprocess
import urllib.parse

import pytest

from views import PROGRAMS, Stack, error_code, fetch, wait_for


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    here = Stack(tmp_path_factory.mktemp("gateway"), PROGRAMS, trackers=1, gateways=1)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    assert here.process("gateway-1").exit_status() == 0


@pytest.fixture(scope="module")
def url(stack):
    return stack.own_url("gateway-1")


@pytest.fixture(scope="module")
def manager(stack):
    return stack.mint("--role", "manager", "--team", "team-1", "--subject", "anna")


@pytest.fixture(scope="module")
def admin(stack):
    return stack.mint("--role", "admin", "--subject", "ops")


@pytest.mark.parametrize("method, path, status, code", [
    ("GET", "/api/v1/teams?limit=3", 400, "bad_query"),
    ("GET", "/api/v1/teams?a=%zz", 400, "bad_query"),
    ("GET", "/api/v1/teams/team-1/stream?interval_ms=", 400, "bad_query"),
    ("GET", "/api/v1/teams/team-1/stream?interval_ms=-1", 400, "bad_query"),
    ("GET", "/api/v1/teams/team-1/stream?interval_ms=60001", 400, "bad_query"),
    ("GET", "/api/v1/teams/team-1/stream?bbox=1,4,3,2", 400, "bad_query"),
    ("GET", "/api/v1/teams/team-2/positions", 403, "forbidden"),
    ("GET", "/api/v1/teams/team-2/stream", 403, "forbidden"),
    ("GET", "/api/v1/teams/a.b/positions", 404, "unknown_team"),
    ("GET", "/api/v1/teams/team-1", 404, "not_found"),
    ("GET", "/api/v2/teams", 404, "not_found"),
    ("GET", "/../../etc/passwd", 404, "not_found"),
    ("POST", "/api/v1/teams", 405, "method_not_allowed"),
    ("PUT", "/api/v1/session", 405, "method_not_allowed"),
    ("HEAD", "/api/v1/teams/team-1/stream", 405, None),
    ("DELETE", "/", 405, "method_not_allowed"),
])
def test_refusals_are_json_with_the_right_status(url, manager, method, path, status, code):
    answer = fetch(url + path, manager, method)
    assert answer[0] == status
    assert code is None or error_code(answer) == code
    assert status != 405 or answer[1]["Allow"]


def test_the_message_of_a_bad_query_names_the_parameter(url, manager):
    body = json.loads(fetch(url + '/api/v1/teams?we%22ird=1', manager)[2])
    assert 'we"ird' in body["error"]["message"]


def test_a_team_that_nobody_has_seen_is_unknown_to_an_admin(url, admin):
    for what in ("positions", "stream"):
        assert error_code(fetch(f"{url}/api/v1/teams/team-99/{what}", admin)) == "unknown_team"


def test_a_team_that_the_token_names_is_empty_until_somebody_comes(url, manager):
    assert json.loads(fetch(url + "/api/v1/teams", manager)[2]) == {
        "teams": [{"team": "team-1", "workers": 0, "online": 0, "stale": 0, "offline": 0}]}
    status, headers, body = fetch(url + "/api/v1/teams/team-1/positions", manager)
    assert (status, headers["Content-Type"]) == (200, "application/geo+json")
    assert json.loads(body) == {"type": "FeatureCollection", "features": []}


@pytest.mark.parametrize("path", ["teams", "teams/team-1/positions", "teams/team-1/stream", "cluster", "session"])
def test_strangers_get_nothing(url, stack, path):
    method = "POST" if path == "session" else "GET"
    worker = stack.mint("--role", "worker", "--team", "team-1", "--subject", "van-7")
    other_key = os.environ | {"MUSTER_TOKEN_KEY": "k" * 32}
    forged = subprocess.run([PROGRAMS / "muster-token", "--team", "team-1", "--subject", "eve"], env=other_key,
                            capture_output=True, check=True, encoding="utf-8").stdout.strip()
    for token, code in ((None, "token_missing"), ("garbage", "token_malformed"), (forged, "token_signature")):
        answer = fetch(f"{url}/api/v1/{path}", token, method)
        assert answer[0] == 401 and error_code(answer) == code
    answer = fetch(f"{url}/api/v1/{path}", worker, method)
    assert answer[0] == 403 and error_code(answer) == "forbidden"


def test_a_deeply_nested_token_is_refused_and_harms_nobody(url):
    """Brackets in a string must not make up for those outside: the parser's recursion would overrun a thread's stack."""
    header = '{"a":"' + "]" * 2000 + '","b":' + "[" * 2000
    token = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=") + ".e30.AAAA"
    assert error_code(fetch(url + "/api/v1/teams", token)) == "token_malformed"
    assert fetch(url + "/healthz")[0] == 200


def test_the_cookie_stands_for_the_header(url, manager):
    status, headers, _ = fetch(url + "/api/v1/session", manager, "POST")
    cookie = headers["Set-Cookie"]
    assert status == 204 and "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    pair = cookie.split(";")[0]
    assert fetch(url + "/api/v1/teams", headers={"Cookie": f"other=1; {pair}"})[0] == 200
    assert fetch(url + "/api/v1/session", method="POST", headers={"Cookie": pair})[0] == 401
    status, headers, _ = fetch(url + "/api/v1/session", method="DELETE")
    assert status == 204 and headers["Set-Cookie"].startswith("muster_token=; Max-Age=0;")


def test_the_page_is_served_and_revalidated(url):
    status, headers, page = fetch(url + "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"<html" in page
    for name in ("X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy"):
        assert headers[name]
    again = fetch(url + "/", headers={"If-None-Match": headers["ETag"]})
    assert again[0] == 304 and again[2] == b""
    assert fetch(url + "/", headers={"If-None-Match": '"other"'})[0] == 200


def test_files_are_compressed_for_those_who_take_it(url):
    plain = fetch(url + "/vendor/maplibre-gl.mjs")
    packed = fetch(url + "/vendor/maplibre-gl.mjs", headers={"Accept-Encoding": "br, gzip"})
    assert plain[1]["Content-Type"].startswith("text/javascript")
    assert "Content-Encoding" not in plain[1] and packed[1]["Content-Encoding"] == "gzip"
    assert plain[1]["Vary"] == packed[1]["Vary"] == "Accept-Encoding"
    assert plain[1]["ETag"] != packed[1]["ETag"]
    assert len(packed[2]) < len(plain[2]) / 2


def test_config_and_cluster(url, manager):
    config = json.loads(fetch(url + "/api/v1/config")[2])
    assert set(config) == {"version", "style_url"}

    def heard():
        return json.loads(fetch(url + "/api/v1/cluster", manager)[2])["replicas"]

    wait_for(lambda: len(heard()) == 2)
    replicas = heard()
    assert [(r["kind"], r["id"]) for r in replicas] == [("gateway", "gateway-1"), ("tracker", "tracker-1")]
    assert all(isinstance(r["started_at_us"], int) for r in replicas)


def test_connections_are_kept_for_a_next_request(url):
    connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    assert connection.sock is first


def test_what_is_no_request_gets_an_error(url):
    address = urllib.parse.urlparse(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"GARBAGE\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("environment, arguments, complaint", [
    ({"MUSTER_TOKEN_KEY": "short"}, [], "token-key"),
    ({"MUSTER_TOKEN_KEY": ""}, [], "token-key"),
    ({"MUSTER_DATABASE_URL": ""}, [], "database-url"),
    ({}, ["--listen", "nowhere"], "listen"),
    ({}, ["--interval-ms", "-1"], "interval-ms"),
    ({}, ["--id", "a b"], "id"),
    ({}, ["--log-level", "loud"], "log-level"),
    ({}, ["--nats-url", ""], "nats-url"),
])
def test_bad_settings_end_it_with_one_clear_line(environment, arguments, complaint):
    good = {"MUSTER_TOKEN_KEY": "k" * 32, "MUSTER_DATABASE_URL": "postgresql://127.0.0.1:9/none"}
    done = subprocess.run([PROGRAMS / "muster-gateway", *arguments], env=os.environ | good | environment,
                          capture_output=True, encoding="utf-8", timeout=10, check=False)
    assert done.returncode == 2
    assert complaint in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_gateway_without_nats_says_so_and_ends_when_told(stack):
    """Before NATS could ever be reached, too: it listens, is not ready, tells why, and stops on SIGTERM."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {"MUSTER_DATABASE_URL": stack.database_url, "MUSTER_TOKEN_KEY": stack.key}
    command = [PROGRAMS / "muster-gateway", "--id", "lonely", "--listen", f"127.0.0.1:{port}", "--nats-url", "nats://127.0.0.1:9"]
    gateway = subprocess.Popen(command, env=os.environ | env, stderr=subprocess.DEVNULL)
    try:
        def healthy():
            try:
                return fetch(f"http://127.0.0.1:{port}/healthz")[0] == 200
            except OSError:
                return False

        wait_for(healthy)
        status, _, body = fetch(f"http://127.0.0.1:{port}/readyz")
        assert status == 503 and b"NATS" in body
        gateway.terminate()
        assert gateway.wait(8) == 0
    finally:
        gateway.kill()
