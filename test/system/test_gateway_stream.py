"""Live views: exact from the first event on, whatever is lost, slow, or away."""
import json
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from views import PROGRAMS, FakeTracker, Stack, View, error_code, fetch, metrics, team_pb2, wait_for

STALL_MS = 1500
LINGER_MS = 1000
STALE_AFTER_MS = 2000


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    options = {"gateway": ["--stall-ms", str(STALL_MS), "--linger-ms", str(LINGER_MS),
                           "--stale-after-ms", str(STALE_AFTER_MS)]}
    here = Stack(tmp_path_factory.mktemp("stream"), PROGRAMS, trackers=1, gateways=2, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    for name in here.gateways:
        assert here.process(name).exit_status() == 0
        assert "Sanitizer" not in here.process(name).log_text()


@pytest.fixture(scope="module")
def admin(stack):
    return stack.mint("--role", "admin", "--subject", "ops")


@pytest.fixture
def ghost(stack, request):
    """A tracker of the test's own, named after it, so that no number is one of another test's."""
    tracker = FakeTracker(stack.nats_url, f"ghost-{request.node.name.replace('_', '-')}"[:60])
    yield tracker
    tracker.close()


@pytest.fixture
def url(stack):
    return stack.own_url("gateway-1")


def now_us():
    return time.time_ns() // 1000


def token(stack, *teams):
    return stack.mint("--teams", ",".join(teams), "--subject", "anna")


def await_follows(url):
    """Waits until no view follows the log any more: by then all joins so far have ended."""
    wait_for(lambda: metrics(url)["muster_gateway_follows"] == 0, 15)


def simulate(stack, *arguments):
    command = [PROGRAMS / "muster-simulator", "--connect", stack.device_address, *map(str, arguments)]
    return subprocess.Popen(command, env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def recorded(stack, team):
    """The team as Postgres has it, in the form of a view's rows, cut to what both have."""
    sql = ("SELECT w.name, (extract(epoch FROM p.taken_at) * 1000000)::bigint, p.longitude_e7, p.latitude_e7, "
           "CASE WHEN w.online THEN 'online' ELSE 'offline' END, w.tracker "
           "FROM worker w LEFT JOIN latest_position p ON p.worker_id = w.id WHERE w.team = %s")
    with psycopg.connect(stack.database_url) as connection:
        return {row[0]: tuple(row) for row in connection.execute(sql, (team,))}


def shown(view):
    return {name: (name, row[1], round(row[2] * 1e7), round(row[3] * 1e7), row[9], row[10])
            for name, row in view.rows.items()}


def test_the_first_event_is_the_whole_team_and_later_ones_keep_it_true(stack, admin):
    simulator = simulate(stack, "--workers", 60, "--teams", 2, "--interval-ms", 200, "--duration", 6)
    wait_for(lambda: len(recorded(stack, "team-1")) == 30)
    views = [View(stack.own_url(gateway), "team-1", admin, query) for gateway in stack.gateways
             for query in ("", "?interval_ms=0", "?interval_ms=1000")]
    for view in views:
        event, data = view.next()
        assert event == "snapshot" and data["team"] == "team-1" and len(view.rows) == 30
        assert data["columns"][0] == "worker" and len(data["columns"]) == len(data["rows"][0])
    assert simulator.wait(30) == 0
    for view in views:
        view.patience_s = 1.5  # the end of what comes: all are offline, and the longest interval is over
        with pytest.raises(TimeoutError):
            while True:
                view.next()
        assert shown(view) == recorded(stack, "team-1")
        view.close()


def test_a_view_gets_one_frame_per_interval(ghost, stack, url):
    with View(url, "team-interval", token(stack, "team-interval"), "?interval_ms=300") as view:
        assert view.next()[0] == "snapshot"
        time.sleep(0.4)  # the snapshot was a frame too
        last_us, sent_us = 0, now_us()
        for number in range(1, 81):
            last_us = now_us()
            ghost.live("team-interval", number, [ghost.update("van-7", last_us)])
            time.sleep(0.02)
        stamps = []
        while view.rows.get("van-7", [0, 0])[1] < last_us:
            stamps.append(view.until("delta")["time_us"])
    assert stamps[0] - sent_us < 100_000  # the first at once
    assert len(stamps) >= 5 and min(b - a for a, b in zip(stamps, stamps[1:])) >= 295_000


def test_a_row_replaces_the_one_before_and_an_older_position_does_not(ghost, stack, url):
    at_us = now_us()
    with View(url, "team-order", token(stack, "team-order"), "?interval_ms=0") as view:
        view.next()
        ghost.live("team-order", 1, [ghost.update("van-7", at_us)])
        view.until("delta")
        ghost.live("team-order", 2, [ghost.update("van-7", at_us - 1)])
        ghost.live("team-order", 3, [ghost.update("bike-3", at_us)])
        view.until("delta")
        assert view.rows["van-7"][1] == at_us and set(view.rows) == {"van-7", "bike-3"}
        assert view.rows["van-7"][2:4] == [8.5417231, 47.3768812]


def test_a_position_sent_before_the_view_and_stored_after_it_is_shown(ghost, stack, url):
    """What promise 4 warns of: nobody heard it live, and the log has it only once the view is long ready."""
    at_us, acked, stop = now_us(), [4], threading.Event()
    done = 'muster_gateway_follows_total{result="done"}'

    def beat():
        while not stop.wait(0.3):
            ghost.heartbeat(log_number=5, log_acked=acked[0])

    ghost.live("team-late", 1, [ghost.update("van-7", at_us)])
    ghost.heartbeat(log_number=5, log_acked=4)
    ghost.flush()
    beating = threading.Thread(target=beat)
    beating.start()
    try:
        with View(url, "team-late", token(stack, "team-late")) as view:
            assert view.next()[1]["rows"] == []
            time.sleep(4)  # longer than it takes to hear every tracker: only what is not acked can keep the follow going
            before = metrics(url)[done]
            ghost.log(5, [ghost.update("van-7", at_us, team="team-late")])
            view.until("delta")
            assert view.rows["van-7"][1] == at_us
            acked[0] = 5
            wait_for(lambda: metrics(url)[done] > before)
    finally:
        stop.set()
        beating.join()


def test_a_missing_batch_number_is_healed_from_the_log(ghost, stack, url):
    at_us = now_us()
    with View(url, "team-gap", token(stack, "team-gap"), "?interval_ms=0") as view:
        view.next()
        before = metrics(url)['muster_gateway_heals_total{reason="gap"}']
        ghost.live("team-gap", 1, [ghost.update("van-1", at_us)])
        ghost.log(1, [ghost.update(f"van-{n}", at_us, team="team-gap") for n in (1, 2, 3)])
        ghost.live("team-gap", 3, [ghost.update("van-3", at_us)])  # number 2, with van-2, was lost
        view.until_rows(lambda rows: len(rows) == 3, "the lost van-2")
        assert metrics(url)['muster_gateway_heals_total{reason="gap"}'] == before + 1


def test_the_last_batch_before_a_silence_is_healed_too(ghost, stack, url):
    """No next number shows that it was lost: the tracker repeats the number a moment later, without updates."""
    at_us, team, gap = now_us(), "team-silent", 'muster_gateway_heals_total{reason="gap"}'
    with View(url, team, token(stack, team), "?interval_ms=0") as view:
        view.next()
        ghost.live(team, 1, [ghost.update("van-1", at_us)])
        view.until("delta")
        await_follows(url)  # what is stored from here on, only a heal can bring
        before = metrics(url)[gap]
        ghost.log(1, [ghost.update("van-1", at_us + 1, team=team)])  # live, number 2 was lost
        ghost.live(team, 2, [])
        view.until_rows(lambda rows: rows["van-1"][1] > at_us, "the lost position")
        assert metrics(url)[gap] == before + 1
        ghost.live(team, 2, [])
        unnumbered = team_pb2.TeamBatch(tracker=ghost.name, started_at_us=0, number=0,
                                        updates=[ghost.update("van-1", at_us + 2)])
        ghost.publish(f"muster.pos.{team}", unnumbered)
        view.until("delta")
        ghost.live(team, 3, [ghost.update("van-1", at_us + 3)])
        view.until("delta")
        assert metrics(url)[gap] == before + 1


def test_a_tracker_that_says_it_lost_live_batches_is_healed_too(ghost, stack, url):
    at_us = now_us()
    with View(url, "team-lost", token(stack, "team-lost"), "?interval_ms=0") as view:
        view.next()
        ghost.heartbeat(log_number=1)
        ghost.log(1, [ghost.update("van-1", at_us, team="team-lost")])
        ghost.flush()
        time.sleep(1)  # the first join's follow may bring it; only a heal can once that is over
        ghost.heartbeat(log_number=1, live_lost=1)
        view.until_rows(lambda rows: "van-1" in rows, "the lost position")
        wait_for(lambda: metrics(url)['muster_gateway_heals_total{reason="live_lost"}'] >= 1)


@contextmanager
def kept_alive(ghost):
    """Heartbeats: the sessions of a tracker that sends none are ended for it."""
    stop = threading.Event()

    def beat():
        while not stop.wait(0.5):
            ghost.heartbeat(log_number=1, log_acked=1)

    beating = threading.Thread(target=beat)
    ghost.heartbeat(log_number=1, log_acked=1)
    ghost.flush()
    beating.start()
    try:
        yield
    finally:
        stop.set()
        beating.join()


def statuses(features):
    return {feature["properties"]["worker"]: feature["properties"]["status"] for feature in features}


def test_who_is_connected_but_silent_is_stale_until_the_next_position(ghost, stack, url, admin):
    team = "team-quiet"
    with kept_alive(ghost), View(url, team, token(stack, team), "?interval_ms=0") as view:
        view.next()
        at_us = now_us()
        coming = [ghost.presence("van-1", True, at_us), ghost.update("van-1", at_us), ghost.presence("bike-2", True, at_us)]
        ghost.live(team, 1, coming)
        ghost.log(1, [ghost.presence("van-1", True, at_us, team), ghost.update("van-1", at_us, team),
                      ghost.presence("bike-2", True, at_us, team)])
        view.until("delta")
        assert {row[9] for row in view.rows.values()} == {"online"}
        all_stale = view.until_rows(lambda rows: {row[9] for row in rows.values()} == {"stale"}, "status stale for all")
        silence_ms = (all_stale["time_us"] - at_us) / 1000
        assert STALE_AFTER_MS <= silence_ms < STALE_AFTER_MS + 2000
        counts = {"team": team, "workers": 2, "online": 0, "stale": 2, "offline": 0}
        wait_for(lambda: counts in json.loads(fetch(f"{url}/api/v1/teams", admin)[2])["teams"])
        for gateway in stack.gateways:  # the one that holds the view, and the one that asks Postgres
            answer = fetch(f"{stack.own_url(gateway)}/api/v1/teams/{team}/positions", admin)
            assert statuses(json.loads(answer[2])["features"]) == {"van-1": "stale", "bike-2": "stale"}
        ghost.live(team, 2, [ghost.update("van-1", now_us())])
        view.until("delta")
        assert view.rows["van-1"][9] == "online" and view.rows["bike-2"][9] == "stale"
        ghost.live(team, 3, [ghost.presence("bike-2", False, at_us)])
        view.until_rows(lambda rows: rows["bike-2"][9] == "offline", "the end of bike-2's session")


def test_a_viewer_that_takes_nothing_is_closed_and_delays_nobody(ghost, stack, url):
    team = "team-stall"
    stuck = View(url, team, token(stack, team), "?interval_ms=0", receive_buffer=4096)
    closed = 'muster_gateway_viewers_closed_total{reason="stalled"}'
    before, number, slowest = metrics(url)[closed], 0, 0.0
    with View(url, team, token(stack, team), "?interval_ms=0") as view:
        view.next()
        deadline = time.monotonic() + 20
        while metrics(url)[closed] == before:
            assert time.monotonic() < deadline
            number += 1
            at_us = now_us()
            ghost.live(team, number, [ghost.update(f"worker-{n}", at_us) for n in range(500)])
            started = time.monotonic()
            view.until_rows(lambda rows: rows.get("worker-499", [0, 0])[1] >= at_us, "the newest positions")
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < STALL_MS / 1000
    assert metrics(url)["muster_gateway_viewers_blocked"] == 0
    stuck.close()


def test_a_slow_viewer_skips_states_and_ends_at_the_newest(ghost, stack, url):
    team, last_us = "team-slow", 0
    slow = View(url, team, token(stack, team), "?interval_ms=0", receive_buffer=4096)
    slow.next()
    for number in range(1, 101):
        last_us = now_us()
        ghost.live(team, number, [ghost.update(f"worker-{n}", last_us) for n in range(300)])
    ghost.flush()
    frames = 0
    while slow.rows.get("worker-299", [0, 0])[1] < last_us:
        slow.next()
        frames += 1
    assert frames < 100 and all(row[1] == last_us for row in slow.rows.values())
    slow.close()


def test_a_team_is_forgotten_a_while_after_its_last_viewer(stack, url):
    before = metrics(url)["muster_gateway_teams"]
    with View(url, "team-linger", token(stack, "team-linger")) as view:
        view.next()
        assert metrics(url)["muster_gateway_teams"] >= 1
    wait_for(lambda: metrics(url)["muster_gateway_teams"] <= before)
    wait_for(lambda: "event=team_closed team=team-linger" in stack.process("gateway-1").log_text())


def test_without_nats_views_are_stale_and_heal_by_themselves(stack, url, admin):
    with View(url, "team-1", admin) as view:
        assert view.next()[0] == "snapshot"
        stack.kill("nats", signal.SIGINT)
        assert view.until("stale")["since_us"] <= now_us()
        assert fetch(url + "/readyz")[0] == 503
        with View(url, "team-1", admin) as other:  # what is held here can still be shown, and is said to be old
            assert [other.next()[0], other.next()[0]] == ["snapshot", "stale"]
        status, headers, body = answer = fetch(f"{url}/api/v1/teams/team-x/stream", token(stack, "team-x"))
        assert (status, error_code(answer)) == (503, "unavailable") and headers["Retry-After"]
        stack.restart("nats")
        view.until("delta")
        assert len(view.rows) == 30
        wait_for(lambda: fetch(url + "/readyz")[0] == 200)


def test_without_postgres_a_view_is_rebuilt_from_the_log(stack, url, admin):
    expected = recorded(stack, "team-2")
    stack.kill("postgres", signal.SIGINT)
    try:
        wait_for(lambda: fetch(url + "/readyz")[0] == 503)
        assert error_code(fetch(url + "/api/v1/teams", admin)) == "unavailable"
        with View(url, "team-2", admin) as view:
            assert view.next()[0] == "snapshot"
            assert shown(view) == expected
            features = json.loads(fetch(f"{url}/api/v1/teams/team-2/positions", admin)[2])["features"]
            assert {f["properties"]["worker"] for f in features} == set(expected)
        assert metrics(url)["muster_gateway_joins_without_snapshot_total"] >= 1
    finally:
        stack.restart("postgres")
    wait_for(lambda: fetch(url + "/readyz")[0] == 200)


def forget_log(ghost):
    """The log is trimmed of everything, as it is of what was recorded a while ago."""
    ghost.publish("$JS.API.STREAM.PURGE.MUSTER_LOG", team_pb2.LogBatch())
    ghost.flush()


def test_without_postgres_a_view_that_may_lack_workers_says_so_until_it_does_not(ghost, stack, url, admin):
    expected, at_us = recorded(stack, "team-2"), now_us()
    with View(url, "team-held", token(stack, "team-held"), "?interval_ms=0") as held:
        held.next()
        ghost.live("team-held", 1, [ghost.update("van-1", at_us)])
        held.until("delta")
        forget_log(ghost)
        stack.kill("postgres", signal.SIGINT)
        wait_for(lambda: fetch(url + "/readyz")[0] == 503)
        ghost.log(1, [ghost.update("van-9", at_us, team="team-2")])  # parked: nothing of it is live
        ghost.flush()
        with View(url, "team-2", admin) as view:
            assert view.next()[0] == "snapshot" and set(view.rows) == {"van-9"}
            event, data = view.next()
            assert (event, data["reason"]) == ("stale", "postgres") and at_us < data["since_us"] <= now_us()
            ghost.live("team-2", 1, [ghost.update("van-8", at_us)])
            assert view.next()[0] == "delta"
            answer = json.loads(fetch(f"{url}/api/v1/teams/team-2/positions", admin)[2])
            assert answer["incomplete"] is True and len(answer["features"]) == 2
            # One that was whole lacks nothing that was not in the log a moment ago.
            ghost.log(2, [ghost.update("van-2", at_us, team="team-held")])
            ghost.live("team-held", 3, [ghost.update("van-1", at_us + 1)])
            while len(held.rows) < 2:
                assert held.next()[0] == "delta"
            stack.restart("postgres")
            assert view.until("snapshot")["rows"]
            assert set(view.rows) == {*expected, "van-8", "van-9"}
            ghost.log(3, [ghost.update("van-8", at_us + 1, team="team-2")])
            ghost.live("team-2", 2, [ghost.update("van-8", at_us + 1)])
            assert view.until("delta") and view.rows["van-8"][1] == at_us + 1
        assert "incomplete" not in json.loads(fetch(f"{url}/api/v1/teams/team-2/positions", admin)[2])
        with View(url, "team-2", admin, "?interval_ms=0") as view:
            assert view.next()[0] == "snapshot" and len(view.rows) == len(expected) + 2
            ghost.live("team-2", 3, [ghost.update("van-8", at_us + 2)])
            assert view.next()[0] == "delta"
            ghost.log(4, [ghost.update("van-8", at_us + 2, team="team-2")])
            wait_for(lambda: recorded(stack, "team-2").get("van-8", [0, 0])[1] == at_us + 2)
    wait_for(lambda: fetch(url + "/readyz")[0] == 200)


def test_both_gateways_show_the_same(stack, admin):
    views = [View(stack.own_url(gateway), "team-2", admin) for gateway in stack.gateways]
    for view in views:
        view.next()
    assert shown(views[0]) == shown(views[1]) == recorded(stack, "team-2")
    for view in views:
        view.close()


def positions(stack, gateway, team, admin):
    """GET positions, in the form of shown()."""
    features = json.loads(fetch(f"{stack.own_url(gateway)}/api/v1/teams/{team}/positions", admin)[2])["features"]
    rows = {}
    for feature in features:
        p, at = feature["properties"], feature["geometry"]["coordinates"]
        rows[p["worker"]] = (p["worker"], p["taken_at_us"], round(at[0] * 1e7), round(at[1] * 1e7), p["status"], p["tracker"])
    return rows


def test_gateways_asked_at_the_same_moment_give_the_same_state(stack, admin):
    """Also the one that did not hold the team until it was asked."""
    simulator = simulate(stack, "--workers", 200, "--teams", 1, "--interval-ms", 100, "--duration", 6)
    wait_for(lambda: sum(row[1] is not None for row in recorded(stack, "team-1").values()) >= 200)
    with View(stack.own_url("gateway-1"), "team-1", admin, "?interval_ms=60000") as view:
        view.next()
        for _ in range(20):
            asked_us = now_us()
            with ThreadPoolExecutor(2) as pool:
                both = list(pool.map(lambda gateway: positions(stack, gateway, "team-1", admin), stack.gateways))
            took_us = now_us() - asked_us
            assert set(both[0]) == set(both[1])
            running = [name for name, row in both[0].items() if row[4] == both[1][name][4] == "online"]
            apart = [abs(both[0][name][1] - both[1][name][1]) for name in running]
            assert len(running) >= 190 and max(apart) <= took_us + 250_000, "one of them is behind"
        assert simulator.wait(30) == 0
    wait_for(lambda: all(row[4] == "offline" for row in recorded(stack, "team-1").values()))
    views = [View(stack.own_url(gateway), "team-1", admin) for gateway in stack.gateways]
    for view in views:
        view.next()
        view.close()
    states = [positions(stack, gateway, "team-1", admin) for gateway in stack.gateways]
    assert states[0] == states[1] == shown(views[0]) == shown(views[1]) == recorded(stack, "team-1")


# The last test: it ends a gateway.
def test_a_gateway_that_stops_says_bye(stack, admin):
    url = stack.own_url("gateway-2")
    views = [View(url, "team-1", admin) for _ in range(20)]
    for view in views:
        view.next()
    stack.process("gateway-2").signal(signal.SIGTERM)
    retries = [view.until("bye")["retry_ms"] for view in views]
    assert len(set(retries)) > 10  # spread, so that not all come back at once
    assert fetch(url + "/readyz")[0] == 503
    assert error_code(fetch(f"{url}/api/v1/teams/team-1/stream", admin)) == "unavailable"
    for view in views:
        with pytest.raises(EOFError):
            view.next()
        view.close()
    assert stack.process("gateway-2").wait(4)
