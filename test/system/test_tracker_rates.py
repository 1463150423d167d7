"""Devices that bring more than their limits: read more slowly, and nobody else's trouble. Nothing is lost or refused."""
import socket
import threading
import time
from statistics import median

import pytest

from devices import Device, device_pb2, frame, now_us, position, worker_token
from views import PROGRAMS, Stack, metrics, wait_for

TRACKER = "tracker-1"


@pytest.fixture
def start(tmp_path):
    """start(option, …) starts a stack whose tracker has these options."""
    started = []

    def up(*options):
        here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options={"tracker": [str(part) for part in options]})
        started.append(here)
        here.up()
        return here

    yield up
    for here in started:
        assert here.down() == [], "programs had to be killed"
        log = here.process(TRACKER).log_text()
        assert "Sanitizer" not in log and "level=error" not in log


def connect(stack, worker):
    device = Device(stack.own_device_address(TRACKER))
    device.socket.settimeout(60)
    assert device.hello(worker_token(stack.key, worker, "team-1")).HasField("welcome")
    return device


def read_to_end(connection):
    while connection.recv(1 << 20):
        continue


def value(stack, name):
    return metrics(stack.own_url(TRACKER))[name]


def holds(stack, limit):
    return value(stack, f'muster_tracker_holds_total{{limit="{limit}"}}')


def send_positions(device, count, each=100, latitude_e7=473768812):
    """So many positions in reports of `each`, all at once."""
    at, data = now_us() - count, b""
    for first in range(0, count, each):
        device.reports += 1
        positions = [position(taken_at_us=at + i, latitude_e7=latitude_e7) for i in range(first, min(first + each, count))]
        report = device_pb2.Report(number=device.reports, positions=positions, ack_now=True)
        data += frame(device_pb2.DeviceMessage(report=report).SerializeToString())
    device.send_bytes(data)


def await_acks(device):
    """Until all is acked; everything else that comes is returned."""
    others = []
    while (message := device.receive()).ack.report < device.reports:
        assert message is not None
        if not message.HasField("ack"):
            others.append(message.WhichOneof("body"))
    return others


def seconds_of(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def ask(device):
    """Seconds until one position is acked."""
    device.report(position())
    return seconds_of(lambda: await_acks(device))


class Flood(threading.Thread):
    """A device that sends as much as its connection takes, until stopped."""

    def __init__(self, device):
        super().__init__(daemon=True)
        self.device, self.over = device, False
        self.device.socket.settimeout(0.2)

    def run(self):
        pending = b""
        while not self.over:
            if not pending:
                self.device.reports += 1
                at = now_us() - 1000
                report = device_pb2.Report(number=self.device.reports, positions=[position(taken_at_us=at + i)
                                                                                  for i in range(500)])
                pending = frame(device_pb2.DeviceMessage(report=report).SerializeToString())
            try:
                pending = pending[self.device.socket.send(pending):]
            except TimeoutError:
                pass

    def end(self):
        self.over = True
        self.join()
        self.device.close()


def test_more_than_the_limit_is_taken_in_at_the_rate_and_all_of_it(start):
    stack = start("--device-positions-per-s", 400, "--device-positions-burst", 1000, "--ack-delay-ms", 0)
    device = connect(stack, "busy")
    send_positions(device, 3000)
    took = seconds_of(lambda: await_acks(device))
    # 2,000 more than the burst; a read brings 12,800 bytes at most, which is below 600 positions.
    assert 3.5 <= took < 8
    assert value(stack, "muster_tracker_positions_total") == 3000
    assert holds(stack, "device_positions") > 0
    wait_for(lambda: value(stack, "muster_tracker_held_devices") == 0)
    assert ask(device) < 1, "it has not been let go of"


def test_what_is_refused_counts_as_well(start):
    stack = start("--device-positions-per-s", 400, "--device-positions-burst", 400)
    device = connect(stack, "wrong")
    send_positions(device, 2000, latitude_e7=2_000_000_000)
    assert seconds_of(lambda: await_acks(device)) > 2
    assert holds(stack, "device_positions") > 0


def test_a_device_with_empty_positions_is_not_shut_out_for_minutes(start):
    """They are refused, but count, and a read of 64 KiB would bring 32,000 of them."""
    stack = start("--device-positions-per-s", 400, "--device-positions-burst", 40000)
    device = connect(stack, "broken")
    threading.Thread(target=read_to_end, args=[device.socket], daemon=True).start()
    for number in range(1, 13):
        report = device_pb2.Report(number=number, positions=[device_pb2.Position()] * 5000)
        device.send_bytes(frame(device_pb2.DeviceMessage(report=report).SerializeToString()))
    wait_for(lambda: holds(stack, "device_positions") == 1, 10)
    wait_for(lambda: holds(stack, "device_positions") > 1, 20)
    device.socket.shutdown(socket.SHUT_RDWR)


def test_a_device_that_is_not_read_is_not_taken_for_silent(start):
    stack = start("--device-positions-per-s", 200, "--device-positions-burst", 500, "--idle-timeout-ms", 1000)
    device = connect(stack, "busy")
    began = time.monotonic()
    send_positions(device, 1500, each=1500)  # in one report, which is in debt for 5 s
    await_acks(device)
    assert time.monotonic() - began < 3, "its ack waited for its reading"
    wait_for(lambda: value(stack, "muster_tracker_held_devices") == 1)
    device.send(ping=device_pb2.Ping())
    assert device.receive().HasField("pong")
    assert time.monotonic() - began > 4
    assert value(stack, 'muster_tracker_protocol_errors_total{code="TIMEOUT"}') == 0


def test_acks_that_are_not_asked_for_come_to_a_device_that_is_not_read(start):
    stack = start("--device-positions-per-s", 100, "--device-positions-burst", 500, "--ack-delay-ms", 1000)
    device = connect(stack, "busy")
    at = now_us() - 2000
    device.report(*[position(taken_at_us=at + i) for i in range(1500)], ack_now=False)  # in debt for 10 s
    wait_for(lambda: value(stack, "muster_tracker_held_devices") == 1)
    assert seconds_of(lambda: await_acks(device)) < 5


def test_a_flood_of_bytes_without_positions_is_read_at_the_rate(start):
    stack = start("--device-bytes-per-s", 10000, "--device-bytes-burst", 10000)
    device = connect(stack, "chatty")
    ping = frame(device_pb2.DeviceMessage(ping=device_pb2.Ping()).SerializeToString())
    count = 50000 // len(ping)
    began = time.monotonic()
    device.send_bytes(ping * count)
    for _ in range(count):
        assert device.receive().HasField("pong")
    assert 2.5 < time.monotonic() - began < 8
    assert holds(stack, "device_bytes") > 0


def test_reconnecting_pays_no_debts(start):
    stack = start("--device-positions-per-s", 200, "--device-positions-burst", 1000)
    device = connect(stack, "busy")
    send_positions(device, 1000)
    await_acks(device)
    device.close()
    device = connect(stack, "busy")
    send_positions(device, 1000)
    assert seconds_of(lambda: await_acks(device)) > 2
    other = connect(stack, "other")
    send_positions(other, 1000)
    assert seconds_of(lambda: await_acks(other)) < 1, "one pays for another"


def test_all_devices_together_are_read_at_the_tracker_s_rate(start):
    stack = start("--positions-per-s", 2000)
    crowd = [connect(stack, f"w-{n}") for n in range(10)]
    began = time.monotonic()
    for device in crowd:
        send_positions(device, 1000)
    newcomer = connect(stack, "newcomer")
    newcomer.send(ping=device_pb2.Ping())
    assert newcomer.receive().HasField("pong")
    assert time.monotonic() - began < 1.5, "who brings nothing has to wait"
    for device in crowd:
        await_acks(device)
    # 8,000 beyond the first second's 2,000, of which each device's last read, of 4 KiB, is still owed.
    assert 2.5 < time.monotonic() - began < 12
    assert value(stack, "muster_tracker_positions_total") == 10000
    assert holds(stack, "positions") > 0


def test_a_day_without_a_network_is_no_flood(start):
    stack = start()
    device = connect(stack, "back-again")
    send_positions(device, 86400, each=500)
    assert await_acks(device) == []
    assert value(stack, "muster_tracker_positions_total") == 86400
    for limit in ("device_positions", "device_bytes", "positions"):
        assert holds(stack, limit) == 0


def test_a_flood_does_not_hold_up_the_acks_of_others(start):
    stack = start("--device-positions-burst", 1000, "--backlog-bytes", 1 << 20)
    polite = connect(stack, "polite")
    ask(polite)
    quiet = [ask(polite) for _ in range(50)]
    floods = [Flood(connect(stack, f"flood-{n}")) for n in range(4)]
    for flood in floods:
        flood.start()
    wait_for(lambda: holds(stack, "device_positions") >= 4)
    taken = value(stack, "muster_tracker_positions_total")
    busy = [ask(polite) for _ in range(50)]
    for flood in floods:
        flood.end()
    assert value(stack, "muster_tracker_positions_total") - taken < 10000
    assert median(busy) < 3 * median(quiet) + 0.01
    assert max(busy) < 0.5


def test_a_stop_sends_those_away_who_are_held_back(start):
    stack = start("--device-positions-per-s", 100, "--device-positions-burst", 100)
    device = connect(stack, "busy")
    send_positions(device, 2000, each=2000)
    wait_for(lambda: value(stack, "muster_tracker_held_devices") == 1)
    device.send(ping=device_pb2.Ping())
    stack.kill(TRACKER, 15)
    assert stack.process(TRACKER).exit_status() == 0
    said = []
    while (message := device.receive()) is not None:
        said.append(message.WhichOneof("body"))
    assert said == ["ack", "go_away"]


def test_devices_that_come_together_are_let_in_at_the_rate(start):
    stack = start("--connects-per-s", 20)
    here = connect(stack, "here")
    began = time.monotonic()
    crowd = [Device(stack.own_device_address(TRACKER)) for _ in range(40)]
    for number, device in enumerate(crowd):
        device.send(hello=device_pb2.Hello(token=worker_token(stack.key, f"w-{number}", "team-1"), protocol=1))
    assert ask(here) < 1, "who is here waits for those who come"
    for device in crowd:
        assert device.receive().HasField("welcome")
    assert 1.5 < time.monotonic() - began < 6
    assert value(stack, "muster_tracker_rejected_connections_total") == 0


def test_a_stop_does_not_wait_for_those_who_are_not_let_in_yet(start):
    stack = start("--connects-per-s", 1)
    crowd = [Device(stack.own_device_address(TRACKER)) for _ in range(5)]
    stack.kill(TRACKER, 15)
    assert stack.process(TRACKER).exit_status() == 0
    assert any(device.receive() is None for device in crowd)
