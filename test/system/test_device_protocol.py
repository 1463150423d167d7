"""Every row of the refusal table in docs/protocol.md: the answer it names, counted by reason, and nobody else harmed."""
import time

import psycopg
import pytest

from devices import Device, device_pb2, frame, now_us, position, sign, varint, worker_token
from views import PROGRAMS, Stack, metrics, wait_for

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    options = {"tracker": ["--retention-days", "30", "--idle-timeout-ms", "3000", "--hello-timeout-ms", "1000"]}
    here = Stack(tmp_path_factory.mktemp("protocol"), PROGRAMS, trackers=1, gateways=1, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    tracker = here.process("tracker-1")
    assert tracker.exit_status() == 0
    assert "Sanitizer" not in tracker.log_text() and "level=error" not in tracker.log_text()


@pytest.fixture
def connect(stack):
    """Opens devices straight at the tracker, and closes them after the test."""
    opened = []

    def open_one(worker=None, team="team-1"):
        device = Device(stack.own_device_address("tracker-1"))
        opened.append(device)
        if worker:
            assert device.hello(worker_token(stack.key, worker, team)).HasField("welcome")
        return device

    yield open_one
    for device in opened:
        device.close()


@pytest.fixture
def count(stack):
    """count(name) tells by how much a metric of the tracker has grown since the test began."""
    before = metrics(stack.own_url("tracker-1"))
    return lambda name: metrics(stack.own_url("tracker-1")).get(name, 0) - before.get(name, 0)


@pytest.fixture
def bystander(connect):
    """Another device, which must be served as ever after whatever the test does."""
    device = connect("bystander", "team-2")
    yield device
    device.report(position())
    assert device.receive().ack.report == device.reports


def test_a_report_is_acked_once_stored(stack, connect, bystander):
    device = connect("good")
    device.report(position(latitude_e7=-900000000, longitude_e7=1800000000, speed_cm_s=100000, heading_cdeg=35999,
                           accuracy_cm=1000000000, altitude_cm=-10000000, battery_percent=100))
    assert device.receive().ack.report == 1
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        row = wait_for(lambda: database.execute(
            "SELECT latitude_e7, longitude_e7, speed_cm_s, heading_cdeg, accuracy_cm, altitude_cm, battery_percent"
            " FROM latest_position JOIN worker ON id = worker_id WHERE name = 'good'").fetchone())
    assert row == (-900000000, 1800000000, 100000, 35999, 1000000000, -10000000, 100)


def test_welcome_tells_time_and_limits(stack, connect):
    device = connect()
    welcome = device.hello(worker_token(stack.key, "w", "team-1")).welcome
    assert abs(welcome.server_time_us - now_us()) < 5_000_000
    assert welcome.limits.message_bytes == 65536 and welcome.limits.future_ms == 60000
    assert welcome.limits.idle_timeout_ms == 3000
    assert abs(welcome.limits.oldest_taken_at_us - (now_us() - 30 * DAY_US)) < 5_000_000


@pytest.mark.parametrize("reason, bad", [
    ("FUTURE", {"taken_at_us": lambda: now_us() + 70_000_000}),
    ("TOO_OLD", {"taken_at_us": lambda: now_us() - 31 * DAY_US}),
    ("COORDINATE", {"latitude_e7": 910000000}),
    ("COORDINATE", {"latitude_e7": -900000001}),
    ("COORDINATE", {"longitude_e7": 1800000001}),
    ("COORDINATE", {"latitude_e7": -2147483648, "longitude_e7": -2147483648}),  # what a cast of NaN gives
    ("COORDINATE", {"latitude_e7": None}),
    ("COORDINATE", {"longitude_e7": None}),
    ("VALUE", {"speed_cm_s": 100001}),
    ("VALUE", {"heading_cdeg": 36000}),
    ("VALUE", {"accuracy_cm": 1000000001}),
    ("VALUE", {"altitude_cm": -2147483648}),
    ("VALUE", {"battery_percent": 101}),
])
def test_a_bad_position_is_refused_alone(connect, count, bystander, reason, bad):
    device = connect("worker")
    bad = {name: value() if callable(value) else value for name, value in bad.items()}
    device.report(position(), position(**bad), position())
    refused = device.receive().refused
    assert (refused.report, refused.index) == (1, 1)
    assert device_pb2.RefusedReason.Name(refused.reason) == f"REFUSED_{reason}"
    assert device.receive().ack.report == 1
    assert count(f'muster_tracker_refused_positions_total{{reason="{reason.lower()}"}}') == 1
    assert count("muster_tracker_positions_total") == 2


def test_a_position_without_a_time_is_refused(connect, count):
    device = connect("worker")
    device.report(device_pb2.Position(latitude_e7=1, longitude_e7=1))
    assert device.receive().refused.reason == device_pb2.REFUSED_VALUE
    assert device.receive().ack.report == 1
    assert count("muster_tracker_positions_total") == 0


BROKEN = {
    "frame over 64 KiB": ("FRAME_TOO_LONG", varint(65537)),
    "frame of 2 GiB": ("FRAME_TOO_LONG", varint(2**31)),
    "endless length": ("MALFORMED", b"\x80" * 11),
    "HTTP": ("MALFORMED", b"GET / HTTP/1.1\r\nHost: muster\r\nUser-Agent: some browser, long enough to fill a frame.\r\n\r\n"),
    "garbage": ("MALFORMED", frame(bytes(range(200, 250)))),
    "empty message": ("MALFORMED", frame(b"")),
    "unknown message": ("MALFORMED", frame(b"\x22\x00")),
    "position cut short": ("MALFORMED", frame(b"\x12\x04\x08\x01\x12\x05")),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_frame_ends_the_connection(connect, count, bystander, what):
    code, data = BROKEN[what]
    device = connect("worker")
    device.send_bytes(data)
    assert device.receive_error() == code
    assert count(f'muster_tracker_protocol_errors_total{{code="{code}"}}') == 1


def test_the_longest_frame_is_taken(connect):
    device = connect("worker")
    body = device_pb2.DeviceMessage(report=device_pb2.Report(number=1, positions=[position()], ack_now=True))
    padding = 65536 - len(body.SerializeToString())
    body = body.SerializeToString() + b"\x7a" + varint(padding - 4) + bytes(padding - 4)  # an unknown field
    assert len(body) == 65536
    device.send_bytes(frame(body))
    assert device.receive().ack.report == 1


def test_a_report_before_hello(connect, count, bystander):
    device = connect()
    device.report(position())
    assert device.receive_error() == "HELLO_EXPECTED"
    assert count('muster_tracker_protocol_errors_total{code="HELLO_EXPECTED"}') == 1
    assert count("muster_tracker_positions_total") == 0


def test_a_ping_before_hello(connect):
    device = connect()
    device.send(ping=device_pb2.Ping())
    assert device.receive_error() == "HELLO_EXPECTED"


def test_a_second_hello(stack, connect, bystander):
    device = connect("worker")
    device.send(hello=device_pb2.Hello(token=worker_token(stack.key, "worker", "team-1"), protocol=1))
    assert device.receive_error() == "HELLO_REPEATED"


def test_another_protocol_version(stack, connect):
    device = connect()
    device.send(hello=device_pb2.Hello(token=worker_token(stack.key, "worker", "team-1"), protocol=2))
    assert device.receive_error() == "PROTOCOL_VERSION"


def claims(**more):
    return {"sub": "worker", "role": "worker", "team": "team-1", "exp": int(time.time()) + 60} | more


@pytest.mark.parametrize("code, token", {
    "nothing": ("TOKEN_INVALID", lambda key: ""),
    "no token": ("TOKEN_INVALID", lambda key: "not.a.token"),
    "another key": ("TOKEN_INVALID", lambda key: sign("x" * 40, claims())),
    "algorithm none": ("TOKEN_INVALID", lambda key: sign(key, claims(), {"alg": "none"})),
    "a manager's": ("TOKEN_INVALID", lambda key: sign(key, claims(role="manager"))),
    "two teams": ("TOKEN_INVALID", lambda key: sign(key, {"sub": "w", "role": "worker", "teams": ["a", "b"], "exp": 2**33})),
    "id with a dot": ("TOKEN_INVALID", lambda key: sign(key, claims(sub="a.b"))),
    "id with a star": ("TOKEN_INVALID", lambda key: sign(key, claims(sub="*"))),
    "id with a space": ("TOKEN_INVALID", lambda key: sign(key, claims(sub="a b"))),
    "id too long": ("TOKEN_INVALID", lambda key: sign(key, claims(sub="a" * 65))),
    "team is a wildcard": ("TOKEN_INVALID", lambda key: sign(key, claims(team=">"))),
    "team with a dot": ("TOKEN_INVALID", lambda key: sign(key, claims(team="team.1"))),
    "no expiry": ("TOKEN_INVALID", lambda key: sign(key, {"sub": "w", "role": "worker", "team": "team-1"})),
    "expired": ("TOKEN_EXPIRED", lambda key: sign(key, claims(exp=int(time.time()) - 5))),
}.values())
def test_a_bad_token(stack, connect, count, bystander, code, token):
    device = connect()
    device.send(hello=device_pb2.Hello(token=token(stack.key), protocol=1))
    assert device.receive_error() == code
    assert count(f'muster_tracker_protocol_errors_total{{code="{code}"}}') == 1


def test_reports_are_numbered_without_gaps(connect, bystander):
    device = connect("worker")
    device.report(position())
    assert device.receive().ack.report == 1
    device.report(position(), number=3)
    assert device.receive_error() == "REPORT_NUMBER"


def test_an_empty_report(connect, count):
    device = connect("worker")
    device.report()
    assert device.receive_error() == "REPORT_EMPTY"
    assert count('muster_tracker_protocol_errors_total{code="REPORT_EMPTY"}') == 1


def test_a_second_connection_replaces_the_first(connect, bystander):
    first = connect("twin")
    second = connect("twin")
    assert first.receive_error() == "REPLACED"
    second.report(position())
    assert second.receive().ack.report == 1


def test_the_same_id_in_another_team_is_another_worker(connect):
    first = connect("twin", "team-1")
    second = connect("twin", "team-2")
    for device in (first, second):
        device.report(position())
        assert device.receive().ack.report == 1


def test_silence_before_hello(connect):
    started = time.monotonic()
    assert connect().receive_error() == "TIMEOUT"
    assert time.monotonic() - started < 5


def test_silence_after_hello_and_how_a_ping_avoids_it(connect):
    silent, pinging = connect("silent"), connect("pinging")
    for _ in range(5):
        time.sleep(1)
        pinging.send(ping=device_pb2.Ping())
        assert abs(pinging.receive().pong.server_time_us - now_us()) < 5_000_000
    assert silent.receive_error() == "TIMEOUT"


def test_acks_are_coalesced_over_sixteen_reports(connect):
    device = connect("worker")
    for _ in range(16):
        device.report(position(), ack_now=False)
    assert device.receive().ack.report == 16


def test_a_duplicate_is_stored_once(stack, connect):
    at = now_us()
    for _ in range(2):
        with_it = connect("duplicate")
        with_it.report(position(taken_at_us=at), position(taken_at_us=at))
        assert with_it.receive().ack.report == 1
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        def rows():
            return database.execute("SELECT count(*) FROM position_history JOIN worker ON id = worker_id"
                                    " WHERE name = 'duplicate'").fetchone()[0]
        wait_for(rows)
        last = connect("duplicate")
        last.report(position(taken_at_us=at + 1))
        assert last.receive().ack.report == 1
        wait_for(lambda: rows() >= 2)
        assert rows() == 2


def test_a_late_position_does_not_move_the_last_one_back(stack, connect):
    at = now_us()
    device = connect("late")
    device.report(position(taken_at_us=at, latitude_e7=2))
    device.report(position(taken_at_us=at - 1_000_000, latitude_e7=1))
    while device.receive().ack.report < 2:
        pass
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        wait_for(lambda: database.execute("SELECT count(*) = 2 FROM position_history JOIN worker ON id = worker_id"
                                          " WHERE name = 'late'").fetchone()[0])
        assert database.execute("SELECT latitude_e7 FROM latest_position JOIN worker ON id = worker_id"
                                " WHERE name = 'late'").fetchone() == (2,)


def test_sessions_are_recorded(stack, connect):
    device = connect("session")
    device.report(position())
    assert device.receive().ack.report == 1
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        query = ("SELECT s.tracker, s.disconnected_at > s.connected_at, reason, reports, online FROM session s"
                 " JOIN worker w ON id = worker_id WHERE name = 'session'")
        assert wait_for(lambda: database.execute(query).fetchone()) == ("tracker-1", None, None, None, True)
        device.close()
        wait_for(lambda: database.execute(query).fetchone()[2])
        assert database.execute(query).fetchone() == ("tracker-1", True, "closed", 1, False)
