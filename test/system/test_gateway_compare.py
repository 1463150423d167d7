"""The safety net under exact views: what is held is compared with Postgres, and a difference is counted and healed."""
import os
import signal
import subprocess
import time

import pytest

from views import PROGRAMS, FakeTracker, Stack, View, metrics, wait_for

DIFFERENCES, HEALED = "muster_gateway_differences_total", 'muster_gateway_heals_total{reason="difference"}'
COMPARED, DIED = "muster_gateway_comparisons_total", 'muster_gateway_heals_total{reason="tracker_gone"}'


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    options = {"gateway": ["--compare-interval-s", "1"]}
    here = Stack(tmp_path_factory.mktemp("compare"), PROGRAMS, trackers=2, gateways=1, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    assert here.process("gateway-1").exit_status() == 0
    assert "Sanitizer" not in here.process("gateway-1").log_text()


@pytest.fixture(scope="module")
def url(stack):
    return stack.own_url("gateway-1")


@pytest.fixture(scope="module")
def admin(stack):
    return stack.mint("--role", "admin", "--subject", "ops")


def test_under_load_and_faults_there_is_no_difference(stack, url, admin):
    """A tracker that is killed, and one that stands still, are told of by other signs."""
    command = [PROGRAMS / "muster-simulator", "--connect", stack.device_address, "--workers", "300", "--teams", "3",
               "--interval-ms", "300", "--duration", "25"]
    simulator = subprocess.Popen(command, env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
    wait_for(lambda: metrics(url)["muster_gateway_nats_connected"] == 1)
    time.sleep(1)  # until there is something to see
    views = [View(url, f"team-{n}", admin, "?interval_ms=60000") for n in (1, 2, 3)]
    compared, died = metrics(url)[COMPARED], metrics(url)[DIED]
    time.sleep(2)
    stack.kill("tracker-1")
    stack.restart("tracker-1")
    wait_for(lambda: metrics(url)[DIED] > died)
    os.kill(stack.process("tracker-2").pid, signal.SIGSTOP)
    time.sleep(8)
    os.kill(stack.process("tracker-2").pid, signal.SIGCONT)
    assert simulator.wait(60) == 0
    wait_for(lambda: metrics(url)[COMPARED] > compared + 20, 40)
    time.sleep(11)  # a suspicion of the last moment is settled by then
    assert metrics(url)[DIFFERENCES] == metrics(url)[HEALED] == 0
    for view in views:
        view.close()


def test_what_no_other_sign_told_of_is_counted_and_healed(stack, url, admin):
    """The last test: it makes a difference."""
    ghost, at_us = FakeTracker(stack.nats_url), time.time_ns() // 1000
    token = stack.mint("--teams", "team-silent", "--subject", "anna")
    with View(url, "team-silent", token, "?interval_ms=0") as view:
        view.next()
        ghost.live("team-silent", 1, [ghost.update("van-1", at_us)])
        view.until("delta")
        wait_for(lambda: metrics(url)["muster_gateway_follows"] == 0, 15)
        ghost.log(1, [ghost.update("van-1", at_us + 1, team="team-silent"), ghost.update("van-2", at_us, team="team-silent")])
        view.until_rows(lambda rows: len(rows) == 2, "van-2, which was never sent live")
        assert view.rows["van-1"][1] == at_us + 1
        assert (metrics(url)[DIFFERENCES], metrics(url)[HEALED]) == (2, 1)
    ghost.close()
