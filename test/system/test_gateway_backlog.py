"""Live batches that the gateway could not take: whoever drops them, views are exact again by themselves. They carry no
number, as those of trackers that died, so a gap between numbers can't be what shows that some are missing."""
import signal
import time

import pytest

from views import PROGRAMS, FakeTracker, Stack, View, metrics, team_pb2, wait_for

BACKLOG_BYTES = 524288
FILLERS = 400  # updates in a batch, most of them: about 20 KB
BURST = 250  # batches sent at once: 5 MB, less than NATS keeps for a subscriber
DROPPED = "muster_gateway_live_dropped_total"


@pytest.fixture
def stack(tmp_path):
    options = {"gateway": ["--backlog-bytes", str(BACKLOG_BYTES)]}
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    assert here.process("gateway-1").exit_status() == 0
    assert "Sanitizer" not in here.process("gateway-1").log_text()


@pytest.fixture
def url(stack):
    return stack.own_url("gateway-1")


@pytest.fixture
def ghost(stack):
    tracker = FakeTracker(stack.nats_url)
    yield tracker
    tracker.close()


def now_us():
    return time.time_ns() // 1000


def heals(url, reason):
    return metrics(url)[f'muster_gateway_heals_total{{reason="{reason}"}}']


def joined(stack, url, team):
    """A view of the team that nothing but live batches, or healing, changes any more."""
    view = View(url, team, stack.mint("--teams", team, "--subject", "anna"), "?interval_ms=0")
    assert view.next()[0] == "snapshot"
    wait_for(lambda: metrics(url)["muster_gateway_follows"] == 0, 15)
    return view


def unnumbered(ghost, updates):
    return team_pb2.TeamBatch(tracker=ghost.name, started_at_us=0, number=0, updates=updates)


def test_a_batch_that_the_nats_library_drops_is_healed(stack, ghost, url):
    """Its limit of bytes that wait is passed by one message: a slow consumer, it says."""
    team, at_us = "team-large", now_us()
    with joined(stack, url, team) as view:
        ghost.log(1, [ghost.update("van-7", at_us, team)])
        lost = unnumbered(ghost, [ghost.update("van-7", at_us)] * 16000)
        assert BACKLOG_BYTES < lost.ByteSize() < 1 << 20
        ghost.publish(f"muster.pos.{team}", lost)
        view.until_rows(lambda rows: "van-7" in rows, "van-7, whose batch was dropped")
        assert heals(url, "slow_consumer") == 1
        assert heals(url, "gap") == heals(url, "reconnect") == heals(url, "overflow") == 0


def test_batches_that_come_faster_than_they_can_be_merged_are_healed(stack, ghost, url):
    team, bursts, before = "team-burst", 0, heals(url, "slow_consumer")
    with joined(stack, url, team) as view:
        deadline = time.monotonic() + 30
        while metrics(url)[DROPPED] == 0:
            assert time.monotonic() < deadline, "the gateway merged everything"
            bursts += 1
            at_us, names = now_us(), [f"van-{bursts}-{n}" for n in range(BURST)]
            ghost.log(bursts, [ghost.update(name, at_us, team) for name in names])  # each is in one live batch only
            fillers = [ghost.update(f"filler-{n}", at_us) for n in range(FILLERS)]
            batches = [unnumbered(ghost, [ghost.update(name, at_us), *fillers]).SerializeToString() for name in names]
            ghost.send_all(f"muster.pos.{team}", batches)
            ghost.flush()
            wait_for(lambda: metrics(url)["muster_gateway_live_batches_total"] + metrics(url)[DROPPED] >= BURST * bursts
                     or heals(url, "slow_consumer") > before)
        everyone = {f"van-{burst}-{n}" for burst in range(1, bursts + 1) for n in range(BURST)}
        view.until_rows(lambda rows: everyone <= set(rows), "workers whose only batch was dropped")
        assert heals(url, "overflow") >= 1
        assert heals(url, "gap") == 0


def test_a_gateway_that_nats_cut_off_because_it_took_nothing_is_healed(stack, ghost, url):
    """It stands still while more comes than NATS keeps for it."""
    team, at_us = "team-frozen", now_us()
    with joined(stack, url, team) as view:
        stack.process("gateway-1").signal(signal.SIGSTOP)
        try:
            fill = unnumbered(ghost, [ghost.update("filler", at_us)] * 8000).SerializeToString()
            ghost.send_all(f"muster.pos.{team}", [fill] * 80)  # 30 MB: its socket's buffers and NATS' 8 MB are less
            ghost.log(1, [ghost.update("van-7", at_us, team)])
            ghost.publish(f"muster.pos.{team}", unnumbered(ghost, [ghost.update("van-7", at_us)]))
            ghost.flush()
            wait_for(lambda: "Slow Consumer" in stack.process("nats").log_text())
        finally:
            stack.process("gateway-1").signal(signal.SIGCONT)
        view.until_rows(lambda rows: "van-7" in rows, "van-7, which came after NATS had cut the gateway off")
        assert heals(url, "reconnect") == 1
