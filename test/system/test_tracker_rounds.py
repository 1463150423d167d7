"""A tracker works in rounds: after a silence one comes at once, but while positions keep coming they are taken in
together. Rounds are made long here, so that neither can be taken for the other."""
import time

import pytest

from devices import Device, position, worker_token
from views import PROGRAMS, FakeTracker, Stack

TEAM = "team-1"
ROUND_S = 0.4  # less than a tail needs to come, which is published as well


@pytest.fixture
def stack(tmp_path):
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options={"tracker": ["--round-ms", int(ROUND_S * 1000)]})  # more than --round-most-ms
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"


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
