"""A tracker works in rounds: after a silence one comes at once, but while positions keep coming they are taken in
together. Rounds are made long here, so that neither can be taken for the other."""
import time

import pytest

from devices import Device, device_pb2, frame, position, worker_token
from views import PROGRAMS, FakeTracker, Stack, metrics, running, wait_for

TEAM = "team-1"
ROUND_S = 0.4  # less than a tail needs to come, which is published as well


@pytest.fixture
def stack(tmp_path):
    options = {"tracker": ["--round-ms", int(ROUND_S * 1000)]}  # more than --round-most-ms
    with running(Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options=options)) as here:
        yield here


@pytest.fixture
def listener(stack):
    client = FakeTracker(stack.nats_url, "listener")
    client.listen(f"muster.pos.{TEAM}")
    yield client
    client.close()


@pytest.fixture
def device(stack, listener):
    """A device that said Hello, which is old news already."""
    with Device(stack.own_device_address("tracker-1")) as it:
        it.hello(worker_token(stack.key, "van-7", TEAM))
        next_batch(listener)
        time.sleep(ROUND_S * 1.5)
        yield it


def next_batch(listener):
    """(time, latitudes) of the next live batch that has updates."""
    updates = listener.next_updates()
    return time.monotonic(), [update.position.latitude_e7 for update in updates]


def test_while_positions_keep_coming_those_of_a_round_go_together(device, listener):
    device.report(position(latitude_e7=1))
    assert next_batch(listener)[1] == [1]
    device.report(position(latitude_e7=2))
    begun, latitudes = next_batch(listener)
    assert latitudes == [2]
    for latitude_e7 in (3, 4):
        device.report(position(latitude_e7=latitude_e7))
        time.sleep(ROUND_S / 8)
    ended, latitudes = next_batch(listener)
    assert latitudes == [3, 4] and ended - begun > ROUND_S / 2


def test_after_a_silence_a_position_goes_at_once(device, listener):
    for latitude_e7 in (1, 2):
        begun = time.monotonic()
        device.report(position(latitude_e7=latitude_e7))
        at, latitudes = next_batch(listener)
        assert latitudes == [latitude_e7] and at - begun < ROUND_S / 2
        time.sleep(ROUND_S * 1.5)


# ---- how long they are ----


def taken(stack):
    """(positions, live batches, log batches) so far."""
    seen = metrics(stack.own_url("tracker-1"))
    return [seen[f"muster_tracker_{what}_total"] for what in ("positions", "live_batches", "log_batches")]


def per_position(tmp_path, per_s=200, count=400):
    """Live and log batches per position, at so many positions a second of one device."""
    with running(Stack(tmp_path, PROGRAMS, trackers=1, gateways=1)) as here:
        with Device(here.own_device_address("tracker-1")) as device:
            device.hello(worker_token(here.key, "van-7", TEAM))
            begun = time.monotonic()
            for number in range(count):
                time.sleep(max(0, begun + number / per_s - time.monotonic()))
                device.report(position(latitude_e7=number))
                if number == count // 4:
                    before = taken(here)
            positions, live, log = (now - then for now, then in zip(taken(here), before))
    return live / positions, log / positions


def test_with_little_to_do_rounds_and_log_batches_gather_for_longer(tmp_path):
    live, log = per_position(tmp_path)
    assert live < 0.35 and log < 0.06  # of 32 ms, and of 160: 0.16 and 0.03; of 4 ms and 20: 1 and 0.25


def test_with_next_to_nothing_to_do_they_do_not(tmp_path):
    live, log = per_position(tmp_path, per_s=20, count=60)
    assert live > 0.8 and log > 0.6


def test_a_full_log_batch_is_stored_at_once(tmp_path):
    with running(Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options={"tracker": ["--log-interval-ms", 1000]})) as here:
        with Device(here.own_device_address("tracker-1")) as device:
            device.hello(worker_token(here.key, "van-7", TEAM))
            time.sleep(1.5)  # what it said of coming is stored
            reports = (device_pb2.Report(number=number, positions=[position()] * 100) for number in range(1, 201))  # 0.9 MB
            sent = b"".join(frame(device_pb2.DeviceMessage(report=report).SerializeToString()) for report in reports)
            before, begun = taken(here)[2], time.monotonic()
            device.send_bytes(sent)
            wait_for(lambda: taken(here)[2] - before >= 2, 5)
            assert time.monotonic() - begun < 0.8
