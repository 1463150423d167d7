"""A tracker that is asked to stop: what it had sent live is in every view, however long storing it takes."""
import json
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from devices import Device, position, worker_token
from views import PROGRAMS, FakeTracker, Stack, View, fetch, metrics, team_pb2, wait_for

TEAM = "team-1"


@pytest.fixture
def stack(tmp_path):
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    for name in ("tracker-1", "gateway-1"):
        assert here.process(name).exit_status() == 0
        assert "Sanitizer" not in here.process(name).log_text()


@pytest.fixture
def url(stack):
    return stack.own_url("gateway-1")


def set_largest_message(stack, limit):
    """The stream refuses what is larger, and takes it again with -1; live batches are not touched by that."""
    client = FakeTracker(stack.nats_url, "test")
    config = {"name": "MUSTER_LOG", "subjects": ["muster.log.*"], "retention": "limits", "storage": "file",
              "discard": "new", "num_replicas": 1, "max_bytes": 4 << 30, "max_msg_size": limit}
    client.socket.sendall(b"SUB _INBOX.here 1\r\n")
    client.send_all("$JS.API.STREAM.UPDATE.MUSTER_LOG _INBOX.here", [json.dumps(config).encode()])
    head = client.reader.readline().split()
    answer = json.loads(client.reader.read(int(head[-1])))
    client.close()
    assert answer["config"]["max_msg_size"] == limit, answer


@contextmanager
def heartbeats(stack):
    """The tracker's, as they come."""
    client, heard = FakeTracker(stack.nats_url, "listener"), []
    client.socket.sendall(b"SUB muster.replica.tracker.* 1\r\n")
    client.flush()

    def read():
        while head := client.reader.readline().split():
            if head[0] == b"MSG":
                heard.append(team_pb2.Replica.FromString(client.reader.read(int(head[-1]) + 2)[:-2]))
            elif head[0] == b"PING":
                client.socket.sendall(b"PONG\r\n")

    client.socket.settimeout(None)
    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield heard
    finally:
        client.socket.shutdown(2)
        reading.join()
        client.close()


def on_device(stack, worker):
    device = Device(stack.own_device_address("tracker-1"))
    assert device.hello(worker_token(stack.key, worker, TEAM)).HasField("welcome")
    device.report(position())
    assert device.receive().ack.report == 1
    return device


def report_live(stack, device):
    """A position that has gone out live, and cannot be stored now. When it was taken."""
    set_largest_message(stack, 1)
    listener, fix = FakeTracker(stack.nats_url, "listener"), position()
    listener.listen(f"muster.pos.{TEAM}")
    device.report(fix)
    while listener.next_updates()[-1].position.taken_at_us != fix.taken_at_us:
        pass
    listener.close()
    return fix.taken_at_us


def follow_may_end(url):
    """Until a gateway that does not wait for the tracker is surely done with the log."""
    deadline = time.monotonic() + 3.5
    while metrics(url)["muster_gateway_follows"] and time.monotonic() < deadline:
        time.sleep(0.05)


def test_what_it_stores_while_stopping_is_in_a_view_that_missed_it_live(stack, url):
    """It was sent live before the view was there, and is stored when the log has been read: only following brings it."""
    device, token = on_device(stack, "van-7"), stack.mint("--teams", TEAM, "--subject", "anna")
    taken_at_us = report_live(stack, device)
    with View(url, TEAM, token, "?interval_ms=0") as view, heartbeats(stack) as heard:
        assert view.next()[0] == "snapshot" and view.rows["van-7"][1] < taken_at_us
        wait_for(lambda: any(beat.log_number > beat.log_acked for beat in heard))
        stack.process("tracker-1").signal(signal.SIGTERM)
        follow_may_end(url)
        set_largest_message(stack, -1)
        view.until_rows(lambda rows: rows["van-7"][1] == taken_at_us, "what was stored while the tracker stopped")
        assert stack.process("tracker-1").wait(10)
        wait_for(lambda: heard[-1].stopping)
        assert [beat.stopping for beat in heard[:-1]] == [False] * (len(heard) - 1)
        assert heard[-1].log_number == heard[-1].log_acked
    device.close()


def test_one_that_could_not_store_everything_does_not_say_that_it_has_stopped(stack, url):
    """So what it lost is looked for, as if it had died."""
    device, token = on_device(stack, "van-7"), stack.mint("--teams", TEAM, "--subject", "anna")
    gone = 'muster_gateway_heals_total{reason="tracker_gone"}'
    report_live(stack, device)
    with View(url, TEAM, token, "?interval_ms=0") as view, heartbeats(stack) as heard:
        assert view.next()[0] == "snapshot" and metrics(url)[gone] == 0
        stack.process("tracker-1").signal(signal.SIGTERM)
        assert stack.process("tracker-1").wait(15)
        assert not any(beat.stopping for beat in heard)
        wait_for(lambda: metrics(url)[gone] == 1, 15)
    device.close()


def test_one_that_has_nothing_left_says_so_at_once_and_nobody_looks_for_anything(stack, url):
    gone = 'muster_gateway_heals_total{reason="tracker_gone"}'
    device, token = on_device(stack, "van-7"), stack.mint("--role", "admin", "--subject", "ops")

    def trackers():
        answer = json.loads(fetch(f"{url}/api/v1/cluster", token)[2])
        return [replica["id"] for replica in answer["replicas"] if replica["kind"] == "tracker"]

    wait_for(lambda: trackers() == ["tracker-1"])
    with heartbeats(stack) as heard:
        stack.process("tracker-1").signal(signal.SIGTERM)
        assert stack.process("tracker-1").wait(4)
        wait_for(lambda: heard and heard[-1].stopping, 1)
        wait_for(lambda: trackers() == [], 1)
    time.sleep(7)  # longer than after which a silent one is taken for dead
    assert metrics(url)[gone] == 0
    device.close()
