"""The log's size limit is reached, because Postgres is away: no false ack, and all goes on by itself afterwards."""
import time

import psycopg
import pytest

from devices import Device, position, worker_token
from views import PROGRAMS, Stack, metrics, wait_for

LOG_BYTES = 2_000_000
PER_REPORT = 300


@pytest.fixture
def stack(tmp_path):
    options = {"tracker": ["--log-max-bytes", str(LOG_BYTES), "--backlog-bytes", "65536"]}
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=1, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"


def positions_from(first):
    return [position(taken_at_us=first + i) for i in range(PER_REPORT)]


def test_a_full_log_stops_acks_until_postgres_is_back(stack):
    first = time.time_ns() // 1000 - 3_600_000_000
    device = Device(stack.own_device_address("tracker-1"))
    assert device.hello(worker_token(stack.key, "worker", "team-1")).HasField("welcome")
    stack.kill("postgres", 2)
    acked = 0
    device.socket.settimeout(3)
    with pytest.raises(TimeoutError):
        for number in range(1, 1000):
            device.report(*positions_from(first + number * PER_REPORT))
            acked = device.receive().ack.report
            assert acked == number
    stored = acked * PER_REPORT
    assert LOG_BYTES / 4 < stored * 40 < LOG_BYTES * 2, "it was not the log's size that stopped it"
    assert metrics(stack.own_url("tracker-1"))["muster_tracker_log_retries_total"] > 0
    stack.restart("postgres")
    device.socket.settimeout(40)
    assert device.receive().ack.report == acked + 1  # the one that was waiting
    device.report(*positions_from(first))
    assert device.receive().ack.report == acked + 2
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        count = "SELECT count(*) FROM position_history"
        wait_for(lambda: database.execute(count).fetchone()[0] == (acked + 2) * PER_REPORT)
    device.close()
