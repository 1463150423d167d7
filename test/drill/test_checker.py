"""The drill's parts: the checker sees each kind of damage, plans repeat and keep their bounds, links break and heal.
That the drill as a whole fails on wrong programs is shown by `make drill-proof`."""
import socket
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy/local"))
from checker import COUNTS, Findings, Ledger, check_ends, check_history, check_stream, check_view  # noqa: E402
from links import Links  # noqa: E402
from plan import AT_ONCE, REST, Fault, make_plan  # noqa: E402
from recovery import gap, recovery  # noqa: E402

TEXT = """worker 0 team-1 van-1
worker 1 team-2 van-2
acked 0 100 1 2 900
acked 0 101 3 4 900
unacked 0 102 5 6 999
unsent 0 103 7 8 999
refused 1 100 1 2 900
dropped 1 101 1 2 900
acked 1 102 9 9 900
"""
HISTORY = [("team-1", "van-1", 100, 1, 2), ("team-1", "van-1", 101, 3, 4), ("team-2", "van-2", 102, 9, 9)]


@pytest.fixture
def ledger():
    return Ledger(TEXT.splitlines())


def found(ledger, history, stream=None):
    findings = Findings()
    check_stream(ledger, history if stream is None else stream, True, findings)
    check_history(ledger, history, findings)
    return {name: count for name, count in findings.counts.items() if count}


def test_what_is_right_is_clean(ledger):
    assert found(ledger, HISTORY) == {}
    also = [("team-1", "van-1", 102, 5, 6), ("team-2", "van-2", 101, 1, 2)]  # unacked and dropped: may be there or not
    assert found(Ledger(TEXT.splitlines()), HISTORY + also) == {}


def test_an_acked_position_that_is_not_there_is_lost(ledger):
    assert found(ledger, HISTORY[1:], HISTORY) == {"lost": 1}
    assert found(Ledger(TEXT.splitlines()), HISTORY, HISTORY[1:]) == {"lost_in_stream": 1}


def test_a_row_that_is_there_twice_is_a_duplicate_but_a_stream_may_repeat(ledger):
    assert found(ledger, HISTORY + HISTORY[:1], HISTORY * 3) == {"duplicated": 1}


@pytest.mark.parametrize("row", [
    ("team-1", "van-1", 99, 1, 2), ("team-1", "van-1", 103, 7, 8), ("team-2", "van-2", 100, 1, 2),
    ("team-1", "van-9", 100, 1, 2),
])
def test_what_was_never_sent_or_was_refused_is_a_phantom(ledger, row):
    assert found(ledger, HISTORY + [row], HISTORY) == {"phantom": 1}


def test_other_values_are_a_phantom(ledger):
    assert found(ledger, [("team-1", "van-1", 100, 1, 3), *HISTORY[1:]], HISTORY) == {"phantom": 1}


def test_another_team_is_the_wrong_one(ledger):
    assert found(ledger, [("team-2", "van-1", 100, 1, 2), *HISTORY[1:]], HISTORY) == {"wrong_team": 1}


def test_what_was_not_acked_in_the_end_is_told(ledger):
    findings = Findings()
    check_ends(ledger, findings)
    assert (findings.counts["refused"], findings.counts["unacked"]) == (1, 3) and not findings.clean()
    assert set(findings.counts) == set(COUNTS)


@pytest.mark.parametrize("shown, wrong", [
    ({"van-1": (101, 3, 4)}, {}),
    ({"van-1": (100, 1, 2)}, {"wrong_final_position": 1}),
    ({"van-1": (101, 3, 5)}, {"wrong_final_position": 1}),
    ({}, {"wrong_final_position": 1}),
    ({"van-1": (101, 3, 4), "van-2": (102, 9, 9)}, {"wrong_team": 1}),
])
def test_a_view_must_show_each_worker_of_the_team_at_its_last_position(ledger, shown, wrong):
    found(ledger, HISTORY)
    findings = Findings()
    check_view("team-1", shown, ledger, ledger.final(), "view", findings)
    assert {name: count for name, count in findings.counts.items() if count} == wrong


def test_the_last_position_may_be_one_that_was_stored_but_not_acked(ledger):
    found(ledger, HISTORY + [("team-1", "van-1", 102, 5, 6)])
    assert ledger.final() == {"team-1": {"van-1": (102, 5, 6)}, "team-2": {"van-2": (102, 9, 9)}}


# ---- plans ----

TRACKERS, GATEWAYS = ["tracker-1", "tracker-2", "tracker-3"], ["gateway-1", "gateway-2"]


def test_a_seed_repeats_its_plan():
    assert make_plan(7, 50, TRACKERS, GATEWAYS) == make_plan(7, 50, TRACKERS, GATEWAYS)
    assert make_plan(7, 50, TRACKERS, GATEWAYS) != make_plan(8, 50, TRACKERS, GATEWAYS)


def test_a_plan_keeps_its_bounds():
    plan = make_plan(3, 300, TRACKERS, GATEWAYS)
    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    for fault in plan:
        before = [other for other in plan if other.number < fault.number]
        assert sum(other.until > fault.at for other in before) < AT_ONCE
        assert not any(other.touches & fault.touches and other.until + REST > fault.at for other in before)
        hurt = {other.target.split(">")[0] for other in [*before, fault] if other.until > fault.at or other is fault}
        assert not hurt >= set(TRACKERS)
    assert any(a.until > b.at for a, b in zip(plan, plan[1:])), "no two faults overlap"


# ---- recovery ----


def test_recovery_is_counted_from_the_end_of_what_else_stood_in_the_way():
    def struck(kind, target, began, ended):
        return SimpleNamespace(fault=Fault(1, began, kind, target, ended - began), began=began, ended=ended)

    # Workers wait from 10.0 on; at 14.0 the last of them is acked again.
    timeline = [{"at_us": int(t * 1e5), "acked": t, "unacked": 1, "silence": (t - 100) * 100 if 100 < t < 140 else 50}
                for t in range(80, 200)]
    kill, nats = struck("kill", "tracker-1", 10.0, 11.0), struck("stop", "nats", 9.0, 13.0)
    assert recovery(kill, [kill], timeline, "silence", ("tracker", "nats")) == pytest.approx(4.0)
    assert recovery(kill, [kill, nats], timeline, "silence", ("tracker", "nats")) == pytest.approx(1.0)
    assert recovery(kill, [kill, nats], timeline[:50], "silence", ("tracker", "nats")) is None
    stalled = [point | {"acked": min(point["acked"], 100)} if point["at_us"] < 13e6 else point for point in timeline]
    assert gap(kill, timeline) == pytest.approx(0.0, abs=0.11) and gap(kill, stalled) == pytest.approx(2.9, abs=0.11)


# ---- links ----


@pytest.fixture
def echo():
    """A link to a server that sends back what it gets: (links, function that opens a connection through it)."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        try:
            while data := connection.recv(1000):
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def accept():
        try:
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
        except OSError:
            pass

    threading.Thread(target=accept, daemon=True).start()
    links = Links()
    port = links.add("tracker-1", "nats", server.getsockname()[1])
    yield links, lambda: socket.create_connection(("127.0.0.1", port), timeout=5)
    links.close()
    server.close()


def answers(connection, text=b"hello"):
    connection.sendall(text)
    return connection.recv(1000) == text


def test_a_cut_link_breaks_and_refuses_until_it_is_healed(echo):
    links, connect = echo
    old = connect()
    assert answers(old)
    links.cut("tracker-1>nats")
    try:
        assert old.recv(1000) == b""
    except ConnectionResetError:
        pass
    with pytest.raises(ConnectionRefusedError):
        connect()
    links.heal("tracker-1>nats")
    assert answers(connect())


@pytest.mark.parametrize("keep", [True, False])
def test_a_stalled_link_holds_everything_back_and_closes_nothing(echo, keep):
    links, connect = echo
    old = connect()
    assert answers(old)
    links.stall("tracker-1>nats")
    new = connect()
    for connection in (old, new):
        connection.sendall(b"held")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1000)
        connection.settimeout(5)
    links.heal("tracker-1>nats", keep)
    for connection in (old, new):
        if keep:
            assert connection.recv(1000) == b"held"
        else:
            with pytest.raises((ConnectionResetError, EOFError)):
                if not connection.recv(1000):
                    raise EOFError
    assert answers(connect())
