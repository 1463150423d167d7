"""Tracks: exact, in order, streamed in bounded memory, and never at the cost of what is live."""
import json
import os
import signal
import socket
import time
import urllib.parse
from datetime import datetime, timedelta, timezone

import psycopg
import pytest

from devices import sign
from views import PROGRAMS, Stack, View, error_code, fetch, metrics, wait_for

STALL_MS = 2000
TEAM, MANY = "team-1", "team-many"
DAY = datetime(2024, 3, 10, tzinfo=timezone.utc)  # the first of three days with rows
ROWS = 300_000
COLUMNS = "taken_at, latitude_e7, longitude_e7, speed_cm_s, heading_cdeg, accuracy_cm, altitude_cm, battery_percent"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    options = {"gateway": ["--stall-ms", str(STALL_MS)]}
    here = Stack(tmp_path_factory.mktemp("history"), PROGRAMS, trackers=1, gateways=1, options=options)
    here.up()
    fill(here.database_url)
    yield here
    assert here.down() == [], "programs had to be killed"
    assert here.process("gateway-1").exit_status() == 0
    assert "Sanitizer" not in here.process("gateway-1").log_text()


@pytest.fixture(scope="module")
def url(stack):
    return stack.own_url("gateway-1")


@pytest.fixture(scope="module")
def token(stack):
    return stack.mint("--teams", f"{TEAM},{MANY}", "--subject", "anna")


def fill(database_url):
    """Two workers around a midnight, one with nothing, and one with very many rows."""
    with psycopg.connect(database_url) as connection:
        for day in (DAY + timedelta(days=n) for n in range(3)):
            connection.execute(f"CREATE TABLE position_history_{day:%Y%m%d} PARTITION OF position_history FOR VALUES "
                               f"FROM ('{day:%Y-%m-%d}+00') TO ('{day + timedelta(days=1):%Y-%m-%d}+00')")
        workers = {}
        for team, name in ((TEAM, "van-7"), (TEAM, "bike-3"), (TEAM, "Zoe"), (MANY, "busy")):
            workers[name] = connection.execute("INSERT INTO worker (team, name) VALUES (%s, %s) RETURNING id",
                                               (team, name)).fetchone()[0]
        for name in ("van-7", "bike-3"):
            connection.execute(
                f"INSERT INTO position_history (worker_id, {COLUMNS}, received_at) "
                "SELECT %s, t, 473768812 + n, -85417231 - n, 416, CASE WHEN n %% 2 = 0 THEN 27150 END, 300, -5, 87, t "
                "FROM (SELECT n, %s + n * interval '20 minutes' + interval '1 microsecond' AS t "
                "FROM generate_series(0, 99) n) x", (workers[name], DAY))
        connection.execute(
            f"INSERT INTO position_history (worker_id, {COLUMNS}, received_at) "
            "SELECT %s, t, 473768812, 85417231, 416, 27150, 300, 40800, 87, t "
            "FROM (SELECT %s + n * interval '250 milliseconds' AS t FROM generate_series(0, %s) n) x",
            (workers["busy"], DAY, ROWS - 1))
        connection.execute("ANALYZE position_history")


def iso(moment):
    return urllib.parse.quote(moment.isoformat(timespec="microseconds").replace("+00:00", "Z"))


def path(team=TEAM, worker=None, start=DAY, end=DAY + timedelta(days=3)):
    place = f"{team}/workers/{worker}" if worker else team
    return f"/api/v1/teams/{place}/track?from={iso(start)}&to={iso(end)}"


def features(answer):
    status, headers, body = answer
    assert (status, headers["Content-Type"]) == (200, "application/geo+json")
    collection = json.loads(body)
    assert collection["type"] == "FeatureCollection"
    return collection["features"]


def stored(stack, team, worker=None):
    """The features that must come, from what Postgres has."""
    sql = (f"SELECT w.name, {COLUMNS} FROM position_history h JOIN worker w ON w.id = h.worker_id "
           'WHERE w.team = %s AND w.name = coalesce(%s, w.name) ORDER BY w.name COLLATE "C", taken_at')

    def part(value, divisor):
        return None if value is None else value / divisor

    with psycopg.connect(stack.database_url) as connection:
        connection.execute("SET timezone = 'UTC'")
        for name, at, latitude, longitude, speed, heading, accuracy, altitude, battery in connection.execute(sql, (team, worker)):
            yield {"type": "Feature", "geometry": {"type": "Point", "coordinates": [longitude / 1e7, latitude / 1e7]},
                   "properties": {"worker": name, "taken_at": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", "speed_m_s": part(speed, 100),
                                  "heading_deg": part(heading, 100), "accuracy_m": part(accuracy, 100),
                                  "altitude_m": part(altitude, 100), "battery_percent": battery}}


def test_a_worker_s_track_is_what_was_recorded(stack, url, token):
    found = features(fetch(url + path(worker="van-7"), token))
    assert len(found) == 100 and found == list(stored(stack, TEAM, "van-7"))


def test_a_team_s_track_has_every_worker_one_after_the_other(stack, url, token):
    found = features(fetch(url + path(), token))
    assert found == list(stored(stack, TEAM))
    assert [f["properties"]["worker"] for f in found] == ["bike-3"] * 100 + ["van-7"] * 100


def test_a_range_has_its_start_and_not_its_end(url, token):
    first, last = DAY + timedelta(microseconds=1), DAY + timedelta(minutes=40, microseconds=1)
    for start, end, count in ((first, last, 2), (first, last + timedelta(microseconds=1), 3),
                              (first + timedelta(microseconds=1), last, 1)):
        assert len(features(fetch(url + path(worker="van-7", start=start, end=end), token))) == count


def test_times_may_be_unix_seconds_or_have_an_offset(url, token):
    base = f"{url}/api/v1/teams/{TEAM}/workers/van-7/track"
    start = int(DAY.timestamp())
    for query in (f"from={start}.000001&to={start + 2400}.000001", "from=2024-03-10T01:00:00.000001%2B01:00&to=2024-03-10T00:40:00Z"):
        assert len(features(fetch(f"{base}?{query}", token))) == 2


def test_what_has_no_positions_is_an_empty_collection(url, token):
    assert features(fetch(url + path(worker="Zoe"), token)) == []
    assert features(fetch(url + path(start=DAY - timedelta(days=9), end=DAY), token)) == []


@pytest.mark.parametrize("place, query, status, code", [
    ("team-1", "", 400, "bad_query"),
    ("team-1", "from=1", 400, "bad_query"),
    ("team-1", "to=1", 400, "bad_query"),
    ("team-1", "from=2&to=2", 400, "bad_query"),
    ("team-1", "from=3&to=2", 400, "bad_query"),
    ("team-1", "from=yesterday&to=2", 400, "bad_query"),
    ("team-1", "from=1&to=2&limit=3", 400, "bad_query"),
    ("team-1", "from=1&to=%zz", 400, "bad_query"),
    ("team-1", f"from=1&to={1 + 31 * 86400}", 200, None),
    ("team-1", f"from=1&to={1 + 31 * 86400}.000001", 400, "range_too_long"),
    ("team-1", "from=0&to=9999-12-31T23:59:59Z", 400, "range_too_long"),
    ("team-2", "from=1&to=2", 403, "forbidden"),
    ("team-2/workers/van-7", "from=1&to=2", 403, "forbidden"),
    ("team-1/workers/nobody", "from=1&to=2", 404, "unknown_worker"),
    ("team-1/workers/a.b", "from=1&to=2", 404, "unknown_worker"),
    ("team-1/workers/busy", "from=1&to=2", 404, "unknown_worker"),
    ("a.b/workers/van-7", "from=1&to=2", 404, "unknown_team"),
    ("team-1/workers", "from=1&to=2", 404, "not_found"),
    ("team-1/workers/van-7/trail", "from=1&to=2", 404, "not_found"),
])
def test_refusals_say_why(url, token, place, query, status, code):
    answer = fetch(f"{url}/api/v1/teams/{place}" + ("" if place.endswith(("workers", "trail")) else "/track") + f"?{query}", token)
    assert answer[0] == status
    assert code is None or error_code(answer) == code


def test_strangers_and_other_methods_are_refused(url, token):
    assert error_code(fetch(url + path())) == "token_missing"
    assert error_code(fetch(url + path(), token, "POST")) == "method_not_allowed"
    assert fetch(url + path(), token, "HEAD")[0] == 405


class Download:
    """A track that is read as the test wants."""

    def __init__(self, url, target, token, receive_buffer=None):
        address = urllib.parse.urlparse(url)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(15)
        self.socket.connect((address.hostname, address.port))
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())

    def read(self):
        return self.socket.recv(1 << 16)

    def close(self):
        self.socket.close()


def resident_bytes(stack):
    with open(f"/proc/{stack.process('gateway-1').pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def is_sanitized(stack):
    """Built with a sanitizer, which keeps freed memory for a while: its size says nothing."""
    with open(f"/proc/{stack.process('gateway-1').pid}/maps", encoding="ascii") as maps:
        return "san.so" in maps.read()


def test_a_long_track_needs_no_memory(stack, url, token):
    features(fetch(url + path(), token))  # what is allocated once
    before, peak, got, lines, tail = resident_bytes(stack), 0, 0, 0, b""
    download = Download(url, path(MANY), token)
    while more := download.read():
        got, lines, tail = got + len(more), lines + more.count(b'"Feature"'), (tail + more)[-16:]
        peak = max(peak, resident_bytes(stack))
    download.close()
    assert tail.endswith(b"\n]}\n\r\n0\r\n\r\n") and got > ROWS * 200
    assert ROWS * 0.99 <= lines <= ROWS  # a name may be cut in two by a read
    assert is_sanitized(stack) or peak - before < 8 << 20, f"grew by {(peak - before) >> 20} MiB"


def test_a_long_track_has_every_row(url, token):
    found = features(fetch(url + path(MANY, "busy"), token))
    assert len(found) == ROWS
    stamps = [f["properties"]["taken_at"] for f in found]
    assert stamps[0] == "2024-03-10T00:00:00.000000Z" and all(a < b for a, b in zip(stamps, stamps[1:]))


def test_those_who_stop_reading_hold_nobody_but_the_next_track(stack, url, token):
    stalled = 'muster_gateway_tracks_total{result="stalled"}'
    before = metrics(url)[stalled]
    stuck = [Download(url, path(MANY), token, receive_buffer=4096) for _ in range(2)]
    for download in stuck:
        assert download.read()
    status, headers, _ = answer = fetch(url + path(), token)
    assert (status, error_code(answer)) == (503, "busy") and headers["Retry-After"]
    with View(url, TEAM, token) as view:  # what is live and what is short are answered as ever
        assert view.next()[0] == "snapshot"
        started = time.monotonic()
        for _ in range(50):
            assert fetch(f"{url}/api/v1/teams", token)[0] == 200
        assert time.monotonic() - started < STALL_MS / 1000
    wait_for(lambda: metrics(url)[stalled] == before + 2)
    assert len(features(fetch(url + path(), token))) == 200
    for download in stuck:
        download.close()


def test_a_track_ends_with_the_token_that_asked_for_it(stack, url):
    ended = 'muster_gateway_tracks_total{result="token"}'
    before, tail = metrics(url)[ended], b""
    expiry = int(time.time()) + 2
    token = sign(stack.key, {"sub": "anna", "role": "manager", "team": MANY, "exp": expiry})
    download = Download(url, path(MANY), token, receive_buffer=65536)
    while metrics(url)[ended] == before:  # it would go on for a minute
        assert download.read() and time.time() < expiry + 10
        time.sleep(0.1)
    assert expiry <= time.time() <= expiry + 5
    while more := download.read():
        tail = (tail + more)[-16:]
    download.close()
    assert not tail.endswith(b"0\r\n\r\n"), "it looks whole"


def test_whoever_goes_away_leaves_the_place_and_postgres_at_once(stack, url, token):
    gone, places = 'muster_gateway_tracks_total{result="gone"}', "muster_gateway_tracks"
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'muster-gateway track'"
    before = metrics(url)[gone]
    downloads = [Download(url, path(MANY), token, receive_buffer=4096) for _ in range(2)]
    for download in downloads:
        assert download.read()
    assert metrics(url)[places] == 2
    for download in downloads:
        download.close()
    wait_for(lambda: metrics(url)[places] == 0, STALL_MS / 1000 * 0.75)  # sooner than as stalled
    assert metrics(url)[gone] == before + 2
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        wait_for(lambda: connection.execute(sql).fetchone()[0] == 0, 3)


def test_only_the_days_of_the_range_are_looked_at(stack, url, token):
    """With a thousand days there: as a client's query with parameters is planned."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        start = DAY - timedelta(days=1000)
        for day in (start + timedelta(days=n) for n in range(1000)):
            connection.execute(f"CREATE TABLE position_history_{day:%Y%m%d} PARTITION OF position_history FOR VALUES "
                               f"FROM ('{day:%Y-%m-%d}+00') TO ('{day + timedelta(days=1):%Y-%m-%d}+00')")
        assert len(features(fetch(url + path(start=DAY - timedelta(days=28)), token))) == 200
        connection.execute("SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off")
        sql = f"EXPLAIN SELECT {COLUMNS} FROM position_history WHERE worker_id = 1 AND taken_at >= '{DAY}' AND taken_at < '{DAY + timedelta(days=2)}' ORDER BY taken_at"
        plan = "\n".join(line for line, in connection.execute(sql))
        assert plan.count("Index Scan") == 2 and "Sort" not in plan, plan


# The last test: it ends Postgres, and with it the gateway, in the middle of a track.
def test_a_track_that_breaks_off_is_seen_to_be_cut_and_a_stop_waits_for_none(stack, url, token):
    download = Download(url, path(MANY), token, receive_buffer=4096)
    got = download.read()
    stack.kill("postgres", signal.SIGINT)
    assert error_code(fetch(url + path(), token)) == "unavailable"
    while more := download.read():
        got = (got + more)[-16:]
    assert not got.endswith(b"0\r\n\r\n")
    wait_for(lambda: metrics(url)['muster_gateway_tracks_total{result="failed"}'] == 1)
    stack.restart("postgres")
    download = Download(url, path(MANY), token, receive_buffer=4096)
    assert download.read()
    stack.process("gateway-1").signal(signal.SIGTERM)
    assert stack.process("gateway-1").wait(3)
