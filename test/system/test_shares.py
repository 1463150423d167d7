"""Share links: made, listed and revoked by managers; what they show, what they never do, and how they end."""
import json
import os
import subprocess
import time
import urllib.parse

import pytest

from devices import Device, now_us, position, sign, worker_token
from views import PROGRAMS, SocketView, Stack, View, error_code, fetch, metrics, running, wait_for

TEAM, OTHERS = "team-1", 6
SHOWN = (473768812, 85417231)
ELSEWHERE = (-337500000, 1511250000)  # of everybody else in the team
SECRET_WORDS = ["other-", "tracker-2", "-33.7", "151.1"]


class Recording:
    """Keeps every byte that came."""

    raw = b""

    def _receive(self, deadline, wanted):
        before = len(self.bytes)
        super()._receive(deadline, wanted)
        self.raw += self.bytes[before:]


class RecordedView(Recording, View):
    pass


class RecordedSocket(Recording, SocketView):
    pass


KINDS = {"sse": RecordedView, "json": RecordedSocket,
         "protobuf": lambda *args, **how: RecordedSocket(*args, protocol="protobuf", **how)}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(Stack(tmp_path_factory.mktemp("shares"), PROGRAMS, trackers=2, gateways=2)) as here:
        yield here
    for name in [*here.trackers, *here.gateways]:
        assert here.process(name).exit_status() == 0


class Crew:
    """The worker that is shown, on tracker-1, and others of the team, on tracker-2."""

    def __init__(self, stack):
        self.stack = stack
        self.homes = {"van-7": "tracker-1"} | {f"other-{n}": "tracker-2" for n in range(OTHERS)}
        self.devices = {worker: self.connect(stack, tracker, worker) for worker, tracker in self.homes.items()}

    @staticmethod
    def connect(stack, tracker, worker):
        device = Device(stack.own_device_address(tracker))
        assert device.hello(worker_token(stack.key, worker, TEAM)).HasField("welcome")
        return device

    def _move(self, worker, place, **more):
        """A device that was silent for too long was disconnected meanwhile."""
        for _ in range(2):
            try:
                self.devices[worker].report(position(now_us(), *place, **more))
                answer = self.devices[worker].receive()
            except ConnectionError:
                answer = None
            if answer:
                assert answer.HasField("ack")
                return
            self.devices[worker] = self.connect(self.stack, self.homes[worker], worker)
        raise AssertionError(f"{worker} is not heard")

    def move_others(self):
        for worker in self.devices:
            if worker != "van-7":
                self._move(worker, ELSEWHERE)

    def move_shown(self, battery):
        self._move("van-7", SHOWN, battery_percent=battery)

    def close(self):
        for device in self.devices.values():
            device.close()


@pytest.fixture(scope="module")
def crew(stack):
    here = Crew(stack)
    here.move_others()
    here.move_shown(50)
    here.move_others()  # the newest of the team, and the oldest, are others
    admin = stack.mint("--role", "admin", "--subject", "boss")
    known = f"{stack.own_url('gateway-1')}/api/v1/teams"
    wait_for(lambda: [team["workers"] for team in json.loads(fetch(known, admin)[2])["teams"]] == [OTHERS + 1])
    yield here
    here.close()


@pytest.fixture(scope="module")
def manager(stack):
    return stack.mint("--team", TEAM, "--subject", "anna")


def shares(stack, gateway, token, method="GET", share="", team=TEAM, **query):
    path = f"/api/v1/teams/{team}/shares" + (f"/{share}" if share else "")
    query = f"?{urllib.parse.urlencode(query)}" if query else ""
    return fetch(stack.own_url(gateway) + path + query, token, method)


def make(stack, token, gateway="gateway-1", **query):
    """(the answer, the link's token)"""
    status, headers, body = shares(stack, gateway, token, "POST", **query)
    assert status == 201 and headers["Content-Type"] == "application/json"
    link = json.loads(body)
    assert link["url"].startswith("/#share=")
    return link, link["url"].removeprefix("/#share=")


def listed(stack, gateway, token, team=TEAM):
    status, _, body = shares(stack, gateway, token, team=team)
    assert status == 200
    return {link["id"]: link for link in json.loads(body)["shares"]}


def end_of(view):
    """The reason that a view is ended with."""
    reason = view.until("bye")["reason"]
    if isinstance(view, SocketView):
        assert view.until_closed() == 4401
    else:
        with pytest.raises(EOFError):
            view.next()
    return reason


# ---- making, listing, revoking ----

def test_a_link_is_listed_by_every_gateway_until_it_is_revoked(stack, crew, manager):
    link, token = make(stack, manager, worker="van-7", expires_in_s=3600, label="for Dora, café")
    assert set(link) == {"id", "url", "worker", "label", "made_by", "created_at", "expires_at"}
    assert (link["worker"], link["label"], link["made_by"]) == ("van-7", "for Dora, café", "anna")
    for gateway in stack.gateways:
        assert listed(stack, gateway, manager)[link["id"]] == link
        assert fetch(f"{stack.own_url(gateway)}/api/v1/teams", token)[0] == 200
    assert shares(stack, "gateway-2", manager, "DELETE", link["id"])[0] == 204
    for gateway in stack.gateways:
        assert link["id"] not in listed(stack, gateway, manager)
        wait_for(lambda: fetch(f"{stack.own_url(gateway)}/api/v1/teams", token)[0] == 401, 5)
        assert error_code(fetch(f"{stack.own_url(gateway)}/api/v1/teams", token)) == "token_revoked"
    assert error_code(shares(stack, "gateway-1", manager, "DELETE", link["id"])) == "unknown_share"


def test_links_of_a_team_are_its_managers_only(stack, crew, manager):
    link, token = make(stack, manager)
    other = stack.mint("--team", "team-2", "--subject", "ben")
    both = stack.mint("--teams", f"{TEAM},team-2", "--subject", "carl")
    _, of_worker = make(stack, manager, worker="van-7")
    for stranger in (other, token, of_worker, worker_token(stack.key, "van-7", TEAM)):
        for method, share in (("GET", ""), ("POST", ""), ("DELETE", link["id"])):
            assert error_code(shares(stack, "gateway-1", stranger, method, share)) == "forbidden"
    assert error_code(shares(stack, "gateway-1", None)) == "token_missing"
    # Nor can a link be revoked through another team, whoever asks.
    assert error_code(shares(stack, "gateway-1", both, "DELETE", link["id"], team="team-2")) == "unknown_share"
    assert link["id"] in listed(stack, "gateway-1", both)
    assert listed(stack, "gateway-1", both, team="team-2") == {}
    assert fetch(f"{stack.own_url('gateway-1')}/api/v1/teams", token)[0] == 200
    assert shares(stack, "gateway-1", stack.mint("--role", "admin", "--subject", "boss"), "DELETE", link["id"])[0] == 204


def test_nobody_else_s_token_can_be_revoked_as_if_it_were_a_link(stack, crew, manager):
    victim = sign(stack.key, {"sub": "dora", "role": "manager", "team": TEAM, "exp": int(time.time()) + 600, "jti": "dora-1"})
    assert error_code(shares(stack, "gateway-1", manager, "DELETE", "dora-1")) == "unknown_share"
    time.sleep(1.5)  # longer than a revocation needs
    assert fetch(f"{stack.own_url('gateway-1')}/api/v1/teams", victim)[0] == 200


@pytest.mark.parametrize("query", [
    {"expires_in_s": "9"}, {"expires_in_s": "2592001"}, {"expires_in_s": "1h"}, {"worker": "a.b"}, {"worker": ""},
    {"label": "x" * 128}, {"label": b"\xff"}, {"label": "a\nb"}, {"admin": "1"},
])
def test_what_is_no_link_is_refused(stack, crew, manager, query):
    assert error_code(shares(stack, "gateway-1", manager, "POST", **query)) == "bad_query"


def test_a_team_has_a_hundred_links_at_most(stack, crew):
    manager = stack.mint("--team", "crowded", "--subject", "eve")
    links = [make(stack, manager, team="crowded")[0] for _ in range(100)]
    assert error_code(shares(stack, "gateway-2", manager, "POST", team="crowded")) == "too_many_shares"
    assert len(listed(stack, "gateway-2", manager, team="crowded")) == 100
    assert shares(stack, "gateway-1", manager, "DELETE", links[0]["id"], team="crowded")[0] == 204
    make(stack, manager, team="crowded", expires_in_s=10)
    assert error_code(shares(stack, "gateway-2", manager, "POST", team="crowded")) == "too_many_shares"
    wait_for(lambda: len(listed(stack, "gateway-1", manager, team="crowded")) == 99, 15)  # what has expired counts no more
    make(stack, manager, team="crowded")


# ---- what a link shows ----

def test_a_link_to_a_team_shows_all_of_it_and_nothing_else(stack, crew, manager):
    _, token = make(stack, manager)
    url = stack.own_url("gateway-1")
    with View(url, TEAM, token) as view:
        view.until("snapshot")
        assert set(view.rows) == {"van-7", *(f"other-{n}" for n in range(OTHERS))}
    assert [team["team"] for team in json.loads(fetch(f"{url}/api/v1/teams", token)[2])["teams"]] == [TEAM]
    assert error_code(fetch(f"{url}/api/v1/teams/team-2/positions", token)) == "forbidden"
    assert error_code(fetch(f"{url}/api/v1/cluster", token)) == "forbidden"
    assert json.loads(fetch(f"{url}/api/v1/session", token)[2])["role"] == "viewer"


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_of_one_worker_has_no_byte_of_the_others(stack, crew, manager, kind):
    """Not their names, trackers or places, nor how many they are, nor that they moved."""
    _, token = make(stack, manager, worker="van-7")
    url = stack.own_url("gateway-1")
    with KINDS[kind](url, TEAM, token, "?interval_ms=0") as view, View(url, TEAM, manager, "?interval_ms=0") as whole:
        view.until("snapshot")
        whole.until("snapshot")
        crew.move_shown(20)  # from here on it is online, and does not turn stale in the middle
        view.until_rows(lambda rows: rows["van-7"][8] == 20, "the worker")
        assert set(view.rows) == {"van-7"}
        quiet, version = len(view.raw), view.version
        crew.move_others()
        whole.until_rows(lambda rows: rows["other-5"][1] > view.rows["van-7"][1], "the last of the others")
        crew.move_shown(77)
        view.until_rows(lambda rows: rows["van-7"][8] == 77, "the worker's move")
        assert view.version == version + 1 and view.rows["van-7"][10] == "tracker-1"
        assert (view.rows["van-7"][3], view.rows["van-7"][2]) == (47.3768812, 8.5417231)
        assert len(view.raw) - quiet < 400, "one delta of one row"
        if isinstance(view, SocketView):  # asking for more brings no more
            view.ask(bbox=None, interval_ms=0)
            view.ask(bbox=(-180, -90, 180, 90))
            crew.move_others()
            crew.move_shown(78)
            view.until_rows(lambda rows: rows["van-7"][8] == 78, "the worker's next move")
        if kind == "protobuf":
            assert (view.base.base_latitude_e7, view.base.base_longitude_e7) == SHOWN
            assert list(view.names) == [0] and list(view.trackers.values()) == ["tracker-1"]
        for word in SECRET_WORDS:
            assert word.encode() not in view.raw
    with KINDS[kind](url, TEAM, token, "?bbox=150,-35,152,-33") as view:  # where all the others are
        assert view.until("snapshot")["rows"] == []
        for word in SECRET_WORDS:
            assert word.encode() not in view.raw


def test_views_of_one_worker_go_stale_and_offline_as_it_does(stack, crew, manager):
    device = Crew.connect(stack, "tracker-1", "short-stay")
    _, token = make(stack, manager, worker="short-stay")
    with View(stack.own_url("gateway-2"), TEAM, token, "?interval_ms=0") as view:
        view.until_rows(lambda rows: rows.get("short-stay", [None] * 11)[9] == "online", "the worker")
        view.until_rows(lambda rows: rows["short-stay"][9] == "stale", "silence")
        device.close()
        view.until_rows(lambda rows: rows["short-stay"][9] == "offline", "the end")
        assert set(view.rows) == {"short-stay"}


def test_a_link_to_a_worker_that_is_not_there_yet_shows_nobody_until_it_comes(stack, crew, manager):
    _, token = make(stack, manager, worker="newcomer")
    with View(stack.own_url("gateway-1"), TEAM, token) as view:
        assert view.until("snapshot")["rows"] == []
        device = Crew.connect(stack, "tracker-2", "newcomer")
        view.until_rows(lambda rows: "newcomer" in rows, "the newcomer")
        device.close()


@pytest.mark.parametrize("held", [True, False])
def test_snapshot_tracks_and_lists_of_one_worker_have_nothing_of_the_others(stack, crew, manager, held):
    """Whether the team is held by the gateway, or comes from Postgres."""
    _, token = make(stack, manager, worker="van-7")
    url = stack.own_url("gateway-2")
    watcher = View(url, TEAM, manager) if held else None
    if held:
        watcher.until("snapshot")
    else:
        wait_for(lambda: metrics(url)["muster_gateway_teams"] == 0, 20)
    api = f"{url}/api/v1/teams/{TEAM}"
    span = f"from={int(time.time()) - 3600}&to={int(time.time()) + 60}"
    answers = [fetch(f"{url}/api/v1/teams", token), fetch(f"{api}/positions", token), fetch(f"{api}/track?{span}", token),
               fetch(f"{api}/workers/van-7/track?{span}", token), fetch(f"{url}/api/v1/session", token)]
    assert [answer[0] for answer in answers] == [200] * 5
    for _, _, body in answers:
        for word in SECRET_WORDS:
            assert word not in body.decode()
    teams, positions, track, own = (json.loads(answer[2]) for answer in answers[:4])
    assert teams == {"teams": [{"team": TEAM, "worker": "van-7"}]}  # no counts
    assert [row["properties"]["worker"] for row in positions["features"]] == ["van-7"]
    assert track == own and {row["properties"]["worker"] for row in own["features"]} == {"van-7"}
    assert error_code(fetch(f"{api}/workers/other-1/track?{span}", token)) == "forbidden"
    assert error_code(fetch(f"{api}/workers/nobody/track?{span}", token)) == "forbidden"  # nor who there is
    assert error_code(fetch(f"{url}/api/v1/cluster", token)) == "forbidden"
    if watcher:
        watcher.close()


# ---- how a link ends ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_view_ends_when_its_link_expires(stack, crew, manager, kind):
    _, token = make(stack, manager, worker="van-7", expires_in_s=10)
    expires = time.time() + 10
    with KINDS[kind](stack.own_url("gateway-2"), TEAM, token) as view:
        assert end_of(view) == "token_expired"
        assert expires - 2 <= time.time() <= expires + 5
    assert error_code(fetch(f"{stack.own_url('gateway-1')}/api/v1/teams", token)) == "token_expired"


@pytest.mark.parametrize("worker", [None, "van-7"])
def test_views_on_all_gateways_end_when_their_link_is_revoked(stack, crew, manager, worker):
    link, token = make(stack, manager, **({"worker": worker} if worker else {}))
    _, other = make(stack, manager, worker="van-7")
    views = [KINDS[kind](stack.own_url(gateway), TEAM, token) for kind in KINDS for gateway in stack.gateways]
    with View(stack.own_url("gateway-2"), TEAM, other, "?interval_ms=0") as stays:
        stays.until("snapshot")
        began = time.monotonic()
        assert shares(stack, "gateway-1", manager, "DELETE", link["id"])[0] == 204
        for view in views:
            assert end_of(view) == "token_revoked"
            view.close()
        assert time.monotonic() - began < 5
        crew.move_shown(33)
        stays.until_rows(lambda rows: rows["van-7"][8] == 33, "a view of another link going on")


def test_links_end_with_everything_else_of_whoever_made_them(stack, crew):
    fired = stack.mint("--team", TEAM, "--subject", "fired")
    _, token = make(stack, fired)
    assert fetch(f"{stack.own_url('gateway-2')}/api/v1/teams", token)[0] == 200
    env = os.environ | {"MUSTER_TOKEN_KEY": stack.key} | {name: stack.exports[name] for name in stack.exports
                                                          if name.startswith("MUSTER_NATS_")}
    subprocess.run([PROGRAMS / "muster-token", "revoke", "--subject", "fired"], env=env, check=True, capture_output=True)
    for gateway in stack.gateways:
        wait_for(lambda: fetch(f"{stack.own_url(gateway)}/api/v1/teams", token)[0] == 401, 5)


def test_without_nats_links_go_on_and_are_neither_made_nor_revoked(stack, crew, manager):
    link, token = make(stack, manager, worker="van-7")
    url = stack.own_url("gateway-1")
    with View(url, TEAM, token) as view:
        view.until("snapshot")
        stack.kill("nats")
        try:
            view.until("stale")
            for method, share in (("GET", ""), ("POST", ""), ("DELETE", link["id"])):
                answer = shares(stack, "gateway-1", manager, method, share)
                assert error_code(answer) == "unavailable" and answer[1]["Retry-After"]
            assert fetch(f"{url}/api/v1/teams", token)[0] == 200
        finally:
            stack.restart("nats")
        wait_for(lambda: shares(stack, "gateway-1", manager)[0] == 200)
        assert link["id"] in listed(stack, "gateway-2", manager)
        view.until("delta")
        assert shares(stack, "gateway-1", manager, "DELETE", link["id"])[0] == 204
        assert end_of(view) == "token_revoked"


def test_making_links_can_be_switched_off(tmp_path):
    here = Stack(tmp_path / "off", PROGRAMS, trackers=1, gateways=1, options={"gateway": ["--share-max-days", "0"]})
    here.up()
    try:
        manager = here.mint("--team", TEAM, "--subject", "anna")
        assert error_code(shares(here, "gateway-1", manager, "POST")) == "no_shares"
        assert listed(here, "gateway-1", manager) == {}
    finally:
        assert here.down() == []


# ---- the cookie of a link ----

def test_a_link_has_a_cookie_of_its_own_beside_the_session(stack, crew, manager):
    _, token = make(stack, manager, worker="van-7")
    url = stack.own_url("gateway-1")
    status, headers, _ = fetch(f"{url}/api/v1/shared/session", token, "POST")
    cookie = headers["Set-Cookie"]
    assert status == 204 and cookie.startswith(f"muster_share={token}; ")
    assert {"Path=/api/v1/shared/", "HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    both = {"Cookie": f"muster_token={manager}; muster_share={token}"}
    assert json.loads(fetch(f"{url}/api/v1/session", headers=both)[2])["role"] == "manager"
    assert json.loads(fetch(f"{url}/api/v1/shared/session", headers=both)[2])["worker"] == "van-7"
    assert json.loads(fetch(f"{url}/api/v1/shared/teams", headers=both)[2])["teams"] == [{"team": TEAM, "worker": "van-7"}]
    only = {"Cookie": f"muster_share={token}"}
    assert error_code(fetch(f"{url}/api/v1/teams", headers=only)) == "token_missing"
    assert error_code(fetch(f"{url}/api/v1/shared/teams", headers={"Cookie": f"muster_token={manager}"})) == "token_missing"
    assert error_code(fetch(f"{url}/api/v1/shared/session", manager, "POST")) == "forbidden"  # for links only
    assert error_code(fetch(f"{url}/api/v1/shared/teams/{TEAM}/shares", headers=both)) == "forbidden"
    for path in ("/api/v1/shared/", "/api/v1/shared", "/api/v1/shared/healthz", "/api/v1/shared/shared/teams"):
        assert error_code(fetch(url + path, headers=both)) == "not_found"
    status, headers, _ = fetch(f"{url}/api/v1/shared/session", method="DELETE")
    assert status == 204 and "muster_share=; Max-Age=0; Path=/api/v1/shared/" in headers["Set-Cookie"]
