"""The three forms of a live view, and views of a part of a team: the same truth in each, exactly, whatever moves, and
whatever a client does to its WebSocket."""
import json
import os
import random
import signal
import struct
import subprocess
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from views import (BINARY, CLOSE, CONTINUATION, PING, PROGRAMS, TEXT, Closed, FakeTracker, SocketView, Stack, View, fetch,
                   frame, metrics, team_pb2, view_pb2, wait_for, wanted_filter)

SOCKETS = ["json", "protobuf"]
LONGEST_MS = 60000


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    options = {"gateway": ["--stale-after-ms", "0"]}  # nothing changes by itself
    here = Stack(tmp_path_factory.mktemp("views"), PROGRAMS, trackers=2, gateways=2, options=options)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"
    for name in here.gateways:
        assert here.process(name).exit_status() == 0
        assert "Sanitizer" not in here.process(name).log_text()


def own(request):
    """What makes a name the test's own."""
    return f"{zlib.crc32(request.node.name.encode()):08x}"


@pytest.fixture
def ghost(stack, request):
    """A tracker of the test's own, so that no number is one of another test's."""
    tracker = FakeTracker(stack.nats_url, f"ghost-{own(request)}")
    yield tracker
    tracker.close()


@pytest.fixture
def url(stack):
    return stack.own_url("gateway-1")


@pytest.fixture
def team(request):
    return f"team-{own(request)}"


def now_us():
    return time.time_ns() // 1000


def mint(stack, team):
    return stack.mint("--teams", team, "--subject", "anna")


def open_view(stack, url, team, protocol, query="", **options):
    if protocol == "sse":
        return View(url, team, mint(stack, team), query, **options)
    return SocketView(url, team, mint(stack, team), query, protocol=protocol, **options)


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


def read_to_silence(view, seconds=1.5):
    view.patience_s = seconds
    with pytest.raises(TimeoutError):
        while True:
            view.next()
    view.patience_s = View.patience_s


# ---- the same truth in each form ----


def test_all_forms_of_a_view_are_equal_to_each_other_and_to_postgres(stack):
    simulator = simulate(stack, "--workers", 60, "--teams", 2, "--interval-ms", 200, "--duration", 6)
    wait_for(lambda: len(recorded(stack, "team-1")) == 30)
    views = [open_view(stack, stack.own_url(gateway), "team-1", protocol, query) for gateway in stack.gateways
             for protocol in ["sse", *SOCKETS] for query in ("", "?interval_ms=0", "?interval_ms=1000")]
    for view in views:
        event, data = view.next()
        assert event == "snapshot" and data["team"] == "team-1" and len(view.rows) == 30
    assert simulator.wait(30) == 0
    with ThreadPoolExecutor(len(views)) as pool:
        list(pool.map(read_to_silence, views))
    for view in views:
        assert shown(view) == recorded(stack, "team-1")
        assert view.rows == views[0].rows  # in all columns
        view.close()
    assert any(row[4:9] != [None] * 5 for row in views[0].rows.values())


def test_protobuf_takes_at_most_40_percent_of_the_bytes_of_json(stack, url):
    simulator = simulate(stack, "--workers", 100, "--teams", 1, "--interval-ms", 200, "--duration", 6, "--seed", 3)
    wait_for(lambda: len(recorded(stack, "team-1")) >= 100)
    views = [open_view(stack, url, "team-1", protocol) for protocol in SOCKETS]

    def follow(view):
        rows, view.patience_s = 0, 1.5
        with pytest.raises(TimeoutError):
            while True:
                rows += len(view.next()[1]["rows"])
        return view.received, rows

    with ThreadPoolExecutor(2) as pool:
        (json_bytes, json_rows), (protobuf_bytes, protobuf_rows) = pool.map(follow, views)
    assert simulator.wait(30) == 0
    print(f"{json_bytes / json_rows:.1f} bytes a row in JSON, {protobuf_bytes / protobuf_rows:.1f} in protobuf")
    assert json_rows > 1500 and 0.95 < protobuf_rows / json_rows < 1.05
    assert protobuf_bytes <= 0.4 * json_bytes
    for view in views:
        view.close()


def simulated_views(stack, tmp_path, *arguments):
    """Report and final states of a simulator with 60 viewers in all forms, on both gateways."""
    report, states = tmp_path / "report.json", tmp_path / "states.json"
    urls = ",".join(stack.own_url(gateway) for gateway in stack.gateways)
    simulator = simulate(stack, "--workers", 200, "--teams", 4, "--interval-ms", 500, "--duration", 6, "--viewers", 60,
                         "--view-protocol", "mixed", "--http", urls, "--report", report, "--view-states", states, *arguments)
    assert simulator.wait(60) == 0
    report, states = (json.loads(file.read_text(encoding="utf-8")) for file in (report, states))
    assert {state["protocol"] for state in states} == {"sse", *SOCKETS}
    assert len({(state["protocol"], state["http"], state["team"]) for state in states}) == 3 * 2 * 4
    assert report["sent"] == report["acked"] == 200 * 12 and report["snapshots"] == 60
    for name in ("viewer_errors", "backward_rows", "outside_rows", "viewer_reconnects", "stales"):
        assert report[name] == 0, name
    assert report["view_ms"]["count"] > 1000 and report["view_ms"]["max"] < 5000
    return report, states


def positions_in_postgres(stack, team, where=""):
    sql = ("SELECT w.name, (extract(epoch FROM p.taken_at) * 1000000)::bigint, p.latitude_e7, p.longitude_e7 "
           f"FROM worker w JOIN latest_position p ON p.worker_id = w.id WHERE w.team = %s {where}")
    with psycopg.connect(stack.database_url) as connection:
        return {name: list(position) for name, *position in connection.execute(sql, (team,))}


def test_many_viewers_in_all_forms_end_with_what_postgres_has(stack, tmp_path):
    report, states = simulated_views(stack, tmp_path, "--seed", 5)
    assert report["left_rows"] == 0
    for state in states:
        assert state["workers"] == positions_in_postgres(stack, state["team"]), state["viewer"]


def test_many_viewers_of_a_part_end_with_who_is_inside(stack, tmp_path):
    report, states = simulated_views(stack, tmp_path, "--seed", 6, "--radius-m", 400, "--interval-ms", 250, "--duration", 3,
                                     "--view-bbox", "8.5400,47.3760,8.5440,47.3780", "--view-interval-ms", 0)
    inside = "AND p.longitude_e7 BETWEEN 85400000 AND 85440000 AND p.latitude_e7 BETWEEN 473760000 AND 473780000"
    assert report["left_rows"] > 0
    for state in states:
        expected = positions_in_postgres(stack, state["team"], inside)
        assert 0 < len(expected) < len(positions_in_postgres(stack, state["team"]))
        assert state["workers"] == expected, state["viewer"]


# ---- a part of a team ----


def inside(box, row):
    """box in 1/10 degrees, as are the places of the tests below; None: the whole team."""
    if box is None:
        return True
    if row[2] is None:
        return False
    west, south, east, north = box
    longitude, latitude = round(row[2] * 10), round(row[3] * 10)
    if not south <= latitude <= north:
        return False
    turns = {longitude, -longitude} if abs(longitude) == 1800 else {longitude}
    return any(west <= at <= east if west <= east else at >= west or at <= east for at in turns)


def degrees(box):
    return box and [edge / 10 for edge in box]


def query_of(box, interval_ms):
    return f"?interval_ms={interval_ms}" + (f"&bbox={','.join(map(str, degrees(box)))}" if box else "")


class Crowd:
    """Workers that jump about on a grid of 1/10 degree around a place, often onto the very edge of somebody's box. Each
    position is one version of the team, so what a view must show at a version is known."""

    WORKERS = 30

    def __init__(self, ghost, team, centre, seed):
        self.ghost, self.team, self.centre = ghost, team, centre
        self.random = random.Random(seed)
        self.started_us, self.batches = now_us() - 60_000_000, 0
        self.states = [{}]  # all rows, after so many positions
        self.places = {f"worker-{n}": centre for n in range(self.WORKERS)}
        self.is_over = threading.Event()

    def _send(self, workers, last=False):
        coming = []
        for worker in workers:
            longitude, latitude = self.places[worker]
            at_us = self.started_us + len(self.states)
            row = [worker, at_us, longitude / 10, latitude / 10, *[None] * 5, "offline", None]
            self.states.append(self.states[-1] | {worker: row})
            coming.append(self.ghost.update(worker, at_us, None, latitude * 10**6, longitude * 10**6))
        if last:
            self.is_over.set()
        self.batches += 1
        self.ghost.live(self.team, self.batches, coming)

    def gather(self, last=False):
        """Everybody goes to the middle of it all."""
        self.places = dict.fromkeys(self.places, self.centre)
        self._send(self.places, last)

    def _jump(self, worker):
        longitude, latitude = self.places[worker]
        east = (longitude - self.centre[0] + 1800) % 3600 - 1800  # of the centre, also over the antimeridian
        east = max(-6, min(6, east + self.random.randint(-3, 3)))
        north = max(-6, min(6, latitude - self.centre[1] + self.random.randint(-3, 3)))
        longitude = (self.centre[0] + east + 1800) % 3600 - 1800
        if longitude == -1800 and self.random.random() < 0.5:
            longitude = 1800  # the same line
        self.places[worker] = longitude, self.centre[1] + north

    def move(self):
        moving = self.random.choices(list(self.places), k=self.random.randint(1, 8))
        for worker in moving:
            self._jump(worker)
            if self.random.random() < 0.2:
                self._send([worker])
        self._send(moving)

    def is_shown_by(self, view):
        return self.is_over.is_set() and view.rows == self.states[-1]


def part_of(rows, box):
    return {name: row for name, row in rows.items() if inside(box, row)}


def follow_exactly(view, crowd, boxes, first_version):
    """Reads until the crowd's end and holds every event against what its version must show. `boxes`: what was asked for,
    the first one surely in force; the thread that asks adds to it. Returns how many events there were, and leavings."""
    events, leavings, known = 0, 0, 0
    view.patience_s = 40
    while not crowd.is_shown_by(view):
        before = view.rows.copy()
        event, data = view.next()
        assert event in ("snapshot", "delta")
        rows = crowd.states[data["version"] - first_version + Crowd.WORKERS]
        in_force = (n for n in range(known, len(boxes)) if view.rows == part_of(rows, boxes[n]))
        known = next(in_force, None)
        assert known is not None, (event, data, boxes, rows)
        names = [row[0] for row in data["rows"]] + data.get("left", [])
        assert len(names) == len(set(names))
        if event == "delta":
            assert all(before.get(row[0]) != row for row in data["rows"]), "nothing is sent twice"
        events += 1
        leavings += len(data.get("left", []))
    return events, leavings


@pytest.mark.parametrize("centre", [(85, 470), (1800, 0)], ids=["zurich", "antimeridian"])
def test_views_of_a_part_are_exact_at_every_version(stack, ghost, url, team, centre):
    def box(west, south, east, north):
        longitudes = [(centre[0] + shift + 1800) % 3600 - 1800 for shift in (west, east)]
        return [longitudes[0], centre[1] + south, longitudes[1], centre[1] + north]

    crowd = Crowd(ghost, team, centre, seed=11)
    boxes = [box(-1, -1, 1, 1), box(0, -2, 4, 3), box(-3, 0, 0, 0), None]
    reference = View(url, team, mint(stack, team), "?interval_ms=0")
    assert reference.next()[0] == "snapshot" and reference.rows == {}
    crowd.gather()
    first_version = reference.until_rows(lambda rows: len(rows) == Crowd.WORKERS, "everybody")["version"]
    for _ in range(10):  # so that some are inside, and some are not, when the views are opened
        crowd.move()
    crowd.ghost.flush()
    everyone = [(reference, [None])]
    everyone += [(open_view(stack, url, team, protocol, query_of(box, interval_ms)), [box])
                 for protocol in ["sse", *SOCKETS] for box in boxes for interval_ms in (0, 70)]
    wandering = [(open_view(stack, url, team, protocol, query_of(boxes[0], 30)), [boxes[0]]) for protocol in SOCKETS * 2]
    everyone += wandering
    with ThreadPoolExecutor(len(everyone) + 1) as pool:
        moving = pool.submit(move_for_a_while, crowd, wandering, boxes)
        found = list(pool.map(lambda each: follow_exactly(each[0], crowd, each[1], first_version), everyone))
        moving.result()
    assert len(crowd.states) > 1000 and all(len(asked) > 20 for _, asked in wandering)
    for (view, asked), (events, leavings) in zip(everyone, found):
        assert events > 15, (asked, events)
        assert (leavings > 10) if asked != [None] else (leavings == 0), (asked, leavings)
        view.close()


def move_for_a_while(crowd, wandering, boxes):
    """Some hundred batches; now and then somebody asks for another part."""
    for step in range(300):
        crowd.move()
        view, asked = wandering[step % len(wandering)]
        if crowd.random.random() < 0.4:
            asked.append(boxes[crowd.random.randrange(len(boxes))])  # before it can come into force
            view.ask(bbox=degrees(asked[-1]))
        time.sleep(0.015)
    crowd.gather(last=True)
    crowd.ghost.flush()


BOX_A, BOX_B = [80, 460, 90, 480], [85, 460, 99, 480]


def settle(ghost, team, view):
    """A team that stands still, and one of it who never sent a position. Reads until the view, of the whole team, has
    them."""
    at_us = now_us()
    places = {"in-a": (81, 470), "in-both": (90, 480), "in-b": (99, 460), "outside": (79, 470)}
    ghost.live(team, 1, [ghost.update(name, at_us, None, latitude * 10**6, longitude * 10**6)
                         for name, (longitude, latitude) in places.items()]
               + [ghost.presence("nowhere", True, at_us)])
    view.until_rows(lambda rows: len(rows) == 5, "everybody")


@pytest.mark.parametrize("protocol", SOCKETS)
def test_another_part_is_shown_at_once_and_by_the_difference_only(stack, ghost, url, team, protocol):
    with View(url, team, mint(stack, team), "?interval_ms=0") as whole:
        whole.next()
        settle(ghost, team, whole)
        with open_view(stack, url, team, protocol, query_of(BOX_A, LONGEST_MS)) as view:
            assert view.next()[0] == "snapshot" and set(view.rows) == {"in-a", "in-both"}
            steps = [(BOX_B, {"in-b"}, {"in-a"}), (None, {"in-a", "outside", "nowhere"}, set()),
                     (BOX_A, set(), {"in-b", "outside", "nowhere"}), (BOX_A, None, None), (BOX_B, {"in-b"}, {"in-a"})]
            for box, entered, left in steps:
                started = time.monotonic()
                view.ask(bbox=degrees(box))
                if entered is None:  # nothing is new: nothing is said
                    read_to_silence(view, 0.5)
                    continue
                event, data = view.next()
                assert event == "delta" and time.monotonic() - started < 5
                assert {row[0] for row in data["rows"]} == entered and set(data.get("left", [])) == left
                assert view.rows == part_of(whole.rows, box)


@pytest.mark.parametrize("protocol", SOCKETS)
def test_a_part_is_sent_anew_once_postgres_is_back(stack, ghost, url, team, protocol):
    """A view that was joined without Postgres may lack workers, and then gets a second snapshot, as whole as the first."""
    def put(number, worker, longitude):
        ghost.live(team, number, [ghost.update(worker, now_us(), None, 470 * 10**6, longitude * 10**6)])

    stack.kill("postgres", signal.SIGINT)
    wait_for(lambda: fetch(url + "/readyz")[0] == 503)
    try:
        view = open_view(stack, url, team, protocol, query_of(BOX_A, 0))
        assert [view.next()[0], view.until("stale")["reason"]] == ["snapshot", "postgres"]
        put(1, "in-a", 81)
        put(2, "leaving", 82)
        view.until_rows(lambda rows: set(rows) == {"in-a", "leaving"}, "who is inside")
        put(3, "outside", 79)
        put(4, "leaving", 79)
        view.until_rows(lambda rows: set(rows) == {"in-a"}, "who left")
    finally:
        stack.restart("postgres")
    data = view.until("snapshot")
    assert set(view.rows) == {"in-a"} and "left" not in data
    put(5, "outside", 83)
    view.until_rows(lambda rows: set(rows) == {"in-a", "outside"}, "who came")
    put(6, "in-a", 79)
    view.until_rows(lambda rows: set(rows) == {"outside"}, "who left then")
    view.close()
    wait_for(lambda: fetch(url + "/readyz")[0] == 200)


@pytest.mark.parametrize("protocol", SOCKETS)
def test_a_shorter_interval_counts_at_once(stack, ghost, url, team, protocol):
    def move(number):
        ghost.live(team, number, [ghost.update("in-a", now_us(), None, 470 * 10**6, 82 * 10**6)])

    with View(url, team, mint(stack, team), "?interval_ms=0") as whole:
        whole.next()
        settle(ghost, team, whole)
    for query, first in ((f"?interval_ms={LONGEST_MS}", 2), (query_of(BOX_A, LONGEST_MS - 1), 5)):
        with open_view(stack, url, team, protocol, query) as view:
            assert view.next()[0] == "snapshot"
            move(first)
            assert [row[0] for row in view.until("delta")["rows"]] == ["in-a"]  # the first after a pause
            move(first + 1)
            read_to_silence(view, 0.7)
            started = time.monotonic()
            view.ask(interval_ms=0)
            assert [row[0] for row in view.until("delta")["rows"]] == ["in-a"]
            move(first + 2)
            assert [row[0] for row in view.until("delta")["rows"]] == ["in-a"]
            assert time.monotonic() - started < 5


@pytest.mark.parametrize("protocol", SOCKETS)
def test_what_comes_right_behind_the_handshake_is_heard(stack, ghost, url, team, protocol):
    opcode, payload = wanted_filter(protocol, bbox=degrees(BOX_B), interval_ms=0)
    asked = frame(opcode, payload)
    with View(url, team, mint(stack, team), "?interval_ms=0") as whole:
        whole.next()
        settle(ghost, team, whole)
        for cut in (1, 5, len(asked) - 1, len(asked)):
            with open_view(stack, url, team, protocol, query_of(BOX_A, LONGEST_MS), early=asked[:cut]) as view:
                view.socket.sendall(asked[cut:])
                view.until_rows(lambda rows: set(rows) == {"in-both", "in-b"}, "the other part")


@pytest.mark.parametrize("protocol", SOCKETS)
def test_a_slow_viewer_of_a_part_skips_states_and_ends_at_the_truth(stack, ghost, url, team, protocol):
    def worker(n, at_us, step):  # every second one is outside, and another half each time
        return ghost.update(f"worker-{n}", at_us, None, 470 * 10**6, (85 + 90 * ((n + step) % 2)) * 10**6)

    view = open_view(stack, url, team, protocol, query_of(BOX_A, 0), receive_buffer=4096)
    assert view.next()[0] == "snapshot"
    last_us = 0
    for step in range(1, 102):
        last_us = now_us()
        ghost.live(team, step, [worker(n, last_us, step) for n in range(400)])
    ghost.flush()
    wait_for(lambda: metrics(url)["muster_gateway_viewers_blocked"] == 1)
    view.send(PING, b"are you there?")
    frames = 0
    while not (len(view.rows) == 200 and all(row[1] == last_us for row in view.rows.values()) and view.pongs):
        view.next()
        frames += 1
    assert frames < 100 and set(view.rows) == {f"worker-{n}" for n in range(400) if (n + 101) % 2 == 0}
    assert view.pongs == [b"are you there?"]
    view.close()


# ---- the WebSocket ----


@pytest.fixture(params=SOCKETS)
def socket_view(request, stack, url, team):
    with open_view(stack, url, team, request.param, "?interval_ms=0") as view:
        assert view.next()[0] == "snapshot"
        yield view


def test_a_ping_is_answered_with_its_own_bytes(socket_view):
    for payload in (b"", b"hello", bytes(range(125))):
        socket_view.send(PING, payload)
        assert socket_view.next() == ("pong", payload)


def test_messages_may_come_in_fragments_with_pings_between_them(stack, ghost, url, team, socket_view):
    opcode, payload = wanted_filter(socket_view.protocol, bbox=degrees(BOX_A))
    settle(ghost, team, socket_view)
    socket_view.send(opcode, payload[:3], final=False)
    socket_view.send(PING, b"1")
    socket_view.send(CONTINUATION, b"", final=False)
    assert socket_view.next() == ("pong", b"1")
    socket_view.send(CONTINUATION, payload[3:])
    assert set(socket_view.next()[1]["left"]) == {"in-b", "outside", "nowhere"}


@pytest.mark.parametrize("payload,answer", [(b"", 1000), (struct.pack(">H", 1000), 1000), (struct.pack(">H", 1001) + b"bye", 1001),
                                            (struct.pack(">H", 4321), 4321)])
def test_a_close_is_answered_and_ends_the_connection(socket_view, payload, answer):
    socket_view.send(CLOSE, payload)
    assert socket_view.until_closed() == answer


def violations(protocol):
    """By name: the code that it must be closed with, and what to send."""
    own_kind, other = (TEXT, BINARY) if protocol == "json" else (BINARY, TEXT)
    found = {
        "unmasked": (1002, [frame(own_kind, b"{}", masked=False)]),
        "reserved bits": (1002, [frame(own_kind, b"{}", reserved=4)]),
        "an opcode that is none": (1002, [frame(3, b"{}")]),
        "a control opcode that is none": (1002, [frame(11, b"")]),
        "a ping in fragments": (1002, [frame(PING, b"", final=False)]),
        "a ping of 126 bytes": (1002, [frame(PING, bytes(126))]),
        "nothing to continue": (1002, [frame(CONTINUATION, b"{}")]),
        "a message within another": (1002, [frame(own_kind, b"{", final=False), frame(own_kind, b"}")]),
        "half a close code": (1002, [frame(CLOSE, b"\x03")]),
        "a close code that is none": (1002, [frame(CLOSE, struct.pack(">H", 1005))]),
        "a message of the other kind": (1003, [frame(other, b"{}")]),
        "a close reason that is no UTF-8": (1007, [frame(CLOSE, struct.pack(">H", 1000) + b"\xff")]),
        "a long message": (1009, [frame(own_kind, b" " * 4097)]),
        "a long message in fragments": (1009, [frame(own_kind, b" " * 3000, final=False), frame(CONTINUATION, b" " * 3000)]),
        "a length that no memory has": (1009, [struct.pack(">BBQ4x", 0x80 | own_kind, 0xff, 1 << 62)]),
    }
    if protocol == "json":
        found |= {
            "text that is no UTF-8": (1007, [frame(TEXT, b'{"a":"\xff"}')]),
            "text that is no UTF-8, cut in its middle": (1007, [frame(TEXT, b'"\xed', final=False), frame(CONTINUATION, b'\xa0\x80"')]),
            "text that ends within a character": (1007, [frame(TEXT, b'"\xe2\x82')]),
        }
    return found


@pytest.mark.parametrize("protocol,name", [(protocol, name) for protocol in SOCKETS for name in violations(protocol)])
def test_what_breaks_the_rules_ends_the_connection_with_the_right_code(stack, url, team, protocol, name):
    code, frames = violations(protocol)[name]
    closed = 'muster_gateway_viewers_closed_total{reason="protocol"}'
    before = metrics(url)[closed]
    with open_view(stack, url, team, protocol) as view:
        assert view.next()[0] == "snapshot"
        for part in frames:
            view.socket.sendall(part)
        assert view.until_closed() == code
    wait_for(lambda: metrics(url)[closed] == before + 1)


BAD_FILTERS = {
    "json": [b"", b"{", b"[]", b"5", b'{"bbox":5}', b'{"bbox":[1,2,3]}', b'{"bbox":[1,2,3,4,5]}', b'{"bbox":[1,4,3,2]}',
             b'{"bbox":[181,2,3,4]}', b'{"bbox":["1",2,3,4]}', b'{"interval_ms":-1}', b'{"interval_ms":60001}',
             b'{"interval_ms":"5"}', b'{"interval_ms":1.5}', b'{"interval_ms":5,"unknown":1}'],
    "protobuf": [b"\xff", b"\x0a\x05\x08",
                 view_pb2.ViewFilter(interval_ms=60001).SerializeToString(),
                 view_pb2.ViewFilter(bbox=view_pb2.ViewBox(west_e7=1, south_e7=4, east_e7=3, north_e7=2)).SerializeToString(),
                 view_pb2.ViewFilter(bbox=view_pb2.ViewBox(west_e7=1, south_e7=2, east_e7=3)).SerializeToString(),
                 view_pb2.ViewFilter(bbox=view_pb2.ViewBox(west_e7=1, south_e7=2, east_e7=1800000001,
                                                           north_e7=4)).SerializeToString()],
}


@pytest.mark.parametrize("protocol", SOCKETS)
def test_a_bad_filter_is_an_error_event_and_the_stream_goes_on_as_before(stack, ghost, url, team, protocol):
    with open_view(stack, url, team, protocol, query_of(BOX_A, 0)) as view:
        assert view.next()[0] == "snapshot"
        for number, bad in enumerate(BAD_FILTERS[protocol], 1):
            view.send(TEXT if protocol == "json" else BINARY, bad)
            event, data = view.next()
            assert event == "error" and set(data) == {"code", "message"}, bad
            assert data["code"] == "bad_filter" and data["message"]
            at_us = now_us()
            ghost.live(team, number, [ghost.update("in-a", at_us, None, 470 * 10**6, 81 * 10**6),
                                      ghost.update("outside", at_us, None, 470 * 10**6, 79 * 10**6)])
            assert [row[:2] for row in view.until("delta")["rows"]] == [["in-a", at_us]]


@pytest.mark.parametrize("protocol", SOCKETS)
def test_a_flood_of_filters_costs_its_sender_at_most(stack, ghost, url, team, protocol):
    """Who asks without end, and reads nothing of the answers, delays nobody and is not remembered for ever."""
    with View(url, team, mint(stack, team), "?interval_ms=0") as whole:
        whole.next()
        settle(ghost, team, whole)
        view = open_view(stack, url, team, protocol, query_of(BOX_A, 0), receive_buffer=4096)
        flood = b"".join(frame(*wanted_filter(protocol, bbox=degrees(box))) for box in (BOX_B, BOX_A) for _ in range(2000))
        flooding = threading.Thread(target=lambda: [view.socket.sendall(flood) for _ in range(5)])
        flooding.start()
        slowest = 0.0
        for number in range(2, 22):
            at_us, started = now_us(), time.monotonic()
            ghost.live(team, number, [ghost.update("in-a", at_us, None, 470 * 10**6, 81 * 10**6)])
            whole.until_rows(lambda rows, at_us=at_us: rows["in-a"][1] == at_us, "the newest position")
            slowest = max(slowest, time.monotonic() - started)
        flooding.join()
        view.ask(bbox=degrees(BOX_B))
        read_to_silence(view)
        assert set(view.rows) == {"in-b", "in-both"} and slowest < 5
        view.close()


def test_a_gateway_that_is_stopped_says_bye_and_closes(stack):
    url = stack.own_url("gateway-2")
    views = [open_view(stack, url, "team-bye", protocol) for protocol in SOCKETS for _ in range(2)]
    for view in views:
        assert view.next()[0] == "snapshot"
    stack.kill("gateway-2", signal.SIGTERM)
    for view in views:
        event, data = view.next()
        assert event == "bye" and data["reason"] == "drain" and data["retry_ms"] >= 0
        with pytest.raises(Closed) as closed:
            view.next()
        assert closed.value.code == 1001
        view.close()
    wait_for(lambda: stack.process("gateway-2").exit_status() is not None)  # it may be a zombie for a moment
    assert stack.process("gateway-2").exit_status() == 0
    stack.restart("gateway-2")
