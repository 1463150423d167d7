"""What a tracker does under pressure: every queue has a limit, nobody is acked falsely, and all recovers by itself."""
import signal
import socket
import subprocess
import time

import pytest

from devices import Device, device_pb2, frame, position, worker_token
from stack import free_ports
from views import PROGRAMS, Stack, metrics, wait_for

BACKLOG_BYTES = 65536
MAX_CONNECTIONS = 30


@pytest.fixture
def stack(tmp_path):
    options = {"tracker": ["--backlog-bytes", str(BACKLOG_BYTES), "--max-connections", str(MAX_CONNECTIONS),
                           "--hello-timeout-ms", "1000", "--idle-timeout-ms", "60000",
                           "--device-positions-per-s", "0", "--device-bytes-per-s", "0"]}
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    log = here.process("tracker-1").log_text()
    assert "Sanitizer" not in log and "level=error" not in log.replace("event=store_failed", "")


@pytest.fixture
def connect(stack):
    opened = []

    def open_one(worker, team="team-1", **how):
        device = Device(stack.own_device_address("tracker-1"), **how)
        opened.append(device)
        assert device.hello(worker_token(stack.key, worker, team)).HasField("welcome")
        return device

    yield open_one
    for device in opened:
        device.close()


def value(stack, name):
    return metrics(stack.own_url("tracker-1"))[name]


def big_report(number, latitude_e7=473768812, count=400):
    at = time.time_ns() // 1000
    positions = [position(taken_at_us=at + i, latitude_e7=latitude_e7) for i in range(count)]
    report = device_pb2.Report(number=number, positions=positions, ack_now=True)
    return frame(device_pb2.DeviceMessage(report=report).SerializeToString())


def receive_acks_up_to(device, number):
    while (message := device.receive()).ack.report < number:
        assert message is not None


def test_a_nats_that_hangs_stops_reading_and_acks_nothing_falsely(stack, connect):
    device = connect("flood")
    nats = stack.process("nats")
    nats.signal(signal.SIGSTOP)
    sent = 0
    device.socket.settimeout(0.5)
    try:
        while sent < 2000:  # about 30 MB: far more than the backlog and the kernel's buffers take
            device.send_bytes(big_report(sent + 1))
            sent += 1
    except (TimeoutError, socket.timeout):
        pass
    assert sent < 2000, "the tracker read on and on"
    backlog = value(stack, "muster_tracker_backlog_bytes")
    assert BACKLOG_BYTES <= backlog < BACKLOG_BYTES + 2 * 65536
    assert value(stack, "muster_tracker_pressures_total") == 1
    device.socket.settimeout(1)
    with pytest.raises((TimeoutError, socket.timeout)):
        device.receive()  # nothing is stored, so nothing is acked
    nats.signal(signal.SIGCONT)
    device.socket.settimeout(30)
    receive_acks_up_to(device, sent)
    wait_for(lambda: value(stack, "muster_tracker_backlog_bytes") == 0)


def test_devices_that_left_make_room_at_once(stack, connect):
    for _ in range(3):
        crowd = [connect(f"w-{n}") for n in range(MAX_CONNECTIONS)]
        for device in crowd:
            device.close()
        time.sleep(0.05)
    assert value(stack, "muster_tracker_rejected_connections_total") == 0


def test_a_full_tracker_closes_the_next_one(stack, connect):
    crowd = [connect(f"w-{n}") for n in range(MAX_CONNECTIONS)]
    late = Device(stack.own_device_address("tracker-1"))
    assert late.receive() is None
    crowd[0].report(position())
    receive_acks_up_to(crowd[0], 1)
    assert value(stack, "muster_tracker_rejected_connections_total") == 1


def test_a_byte_now_and_then_is_no_hello(stack):
    device = Device(stack.own_device_address("tracker-1"))
    device.socket.settimeout(0.4)
    device.send_bytes(b"\x7f")  # the length of a message of which then each byte comes late
    for _ in range(10):
        try:
            assert device.receive().error.code == device_pb2.ERROR_TIMEOUT
            return
        except TimeoutError:
            device.send_bytes(b"\x0a")
    pytest.fail("it was waited for")


def test_a_device_that_never_reads_its_refusals_is_dropped_alone(stack, connect):
    rude, polite = connect("rude", receive_buffer=4096), connect("polite")
    end = time.monotonic() + 20
    with pytest.raises(OSError):
        for number in range(1, 1_000_000):
            rude.send_bytes(big_report(number, latitude_e7=2_000_000_000, count=100))
            assert time.monotonic() < end
    polite.report(position())
    receive_acks_up_to(polite, polite.reports)


def test_a_flood_of_bad_positions_does_not_hold_up_others(stack, connect):
    flood, polite = connect("flood"), connect("polite")
    flood.socket.settimeout(0)
    number, pending, slowest = 0, b"", 0
    end = time.monotonic() + 3
    while time.monotonic() < end:
        asked = time.monotonic()
        polite.send(ping=device_pb2.Ping())
        while time.monotonic() - asked < 0.05:
            if not pending:
                number += 1
                pending = big_report(number, latitude_e7=2_000_000_000)
            try:
                pending = pending[flood.socket.send(pending):]
                flood.socket.recv(1 << 20)
            except BlockingIOError:
                pass
        polite.receive()
        slowest = max(slowest, time.monotonic() - asked)
    assert number > 50
    assert slowest < 0.5


def test_a_frozen_postgres_does_not_hold_up_the_stop(stack, connect):
    device = connect("w")
    device.report(position())
    receive_acks_up_to(device, 1)
    stack.process("postgres").signal(signal.SIGSTOP)
    try:
        device.report(position())
        receive_acks_up_to(device, 2)  # acks don't need Postgres
        started = time.monotonic()
        stack.kill("tracker-1", signal.SIGTERM)
        assert time.monotonic() - started < 9
        assert stack.process("tracker-1").exit_status() == 0
    finally:
        stack.process("postgres").signal(signal.SIGCONT)


def test_a_stop_while_nats_is_away_ends_in_time(stack, connect):
    device = connect("w")
    stack.process("nats").signal(signal.SIGSTOP)
    device.report(position())
    started = time.monotonic()
    stack.kill("tracker-1", signal.SIGTERM)
    assert time.monotonic() - started < 12
    assert stack.process("tracker-1").exit_status() == 0
    answers = []
    while (message := device.receive()) is not None:
        answers.append(message.WhichOneof("body"))
    assert answers == ["go_away"], "what could not be stored was acked"
    stack.process("nats").signal(signal.SIGCONT)


def test_an_admin_port_that_is_taken_is_said_and_ends_it_cleanly(stack):
    """Its threads, which connect to Postgres and NATS by then, must not make it crash; they are quick now and then only."""
    admin = f"127.0.0.1:{stack.ports['tracker-1-admin']}"
    for _ in range(5):
        tracker, _ = start_with_files("1000", "--admin", admin, "--provision", "never", env=stack.starts["tracker-1"]["env"])
        said = tracker.communicate(timeout=20)[0]
        assert tracker.returncode == 1 and f"{admin}: cannot listen for HTTP there" in said
        assert "Sanitizer" not in said and said.count("\n") < 10, said


ALONE = {"MUSTER_TOKEN_KEY": "k" * 32, "MUSTER_DATABASE_URL": "host=127.0.0.1 port=1", "MUSTER_NATS_URL": "nats://127.0.0.1:1"}


def start_with_files(files, *options, env=None):
    """A tracker that may open so many files, alone unless its environment says otherwise."""
    port = free_ports(1)[0]
    command = [PROGRAMS / "muster-tracker", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0", *options]
    tracker = subprocess.Popen(["prlimit", f"--nofile={files}", *command], env=env or ALONE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, encoding="utf-8")
    return tracker, f"127.0.0.1:{port}"


def test_too_few_files_for_anything_are_said_and_end_it():
    tracker, _ = start_with_files("100:200")
    try:
        said = tracker.communicate(timeout=10)[0]
    finally:
        tracker.kill()
    assert tracker.returncode == 1
    assert "level=error" in said and "event=too_few_files limit=200 needed=256" in said


def test_too_few_files_for_the_devices_wanted_are_said_and_are_the_limit():
    tracker, address = start_with_files("100:300", "--max-connections", "1000")
    said = iter(tracker.stdout.readline, "")
    try:
        warning = next(line for line in said if "too_few_files" in line)
        assert "level=warn" in warning and "max_connections=1000 fit=236" in warning
        next(line for line in said if "event=started" in line)
        crowd = [Device(address) for _ in range(236)]
        crowd[-1].send(ping=device_pb2.Ping())
        assert crowd[-1].receive_error() == "HELLO_EXPECTED"
        assert Device(address).receive() is None
        for device in crowd:
            device.close()
    finally:
        tracker.kill()
        tracker.communicate()
