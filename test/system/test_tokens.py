"""Tokens while programs run: keys that change, tokens that expire or are revoked, and what is told to whom."""
import json
import os
import signal
import subprocess
import time
import urllib.parse

import psycopg
import pytest

from devices import Device, device_pb2, position, sign, worker_token
from views import PROGRAMS, SocketView, Stack, View, error_code, fetch, metrics, running, wait_for

OLD, NEW = "old-key-" + "0" * 32, "new-key-" + "1" * 32
KINDS = {"sse": View, "json": SocketView, "protobuf": lambda *args: SocketView(*args, protocol="protobuf")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    (keys / "old.hs256").write_text(OLD)
    return keys


@pytest.fixture(scope="module")
def stack(tmp_path_factory, folder):
    options = {"tracker": ["--token-keys", str(folder)], "gateway": ["--token-keys", str(folder)]}
    with running(Stack(tmp_path_factory.mktemp("tokens"), PROGRAMS, trackers=2, gateways=2, options=options)) as here:
        yield here
    for name in [*here.trackers, *here.gateways]:
        assert here.process(name).exit_status() == 0


def manager(key, team="team-1", seconds=3600, kid=None, **claims):
    header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    return sign(key, {"sub": "anna", "role": "manager", "team": team, "exp": int(time.time()) + seconds} | claims, header)


def expiry_of(token):
    import base64
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]


def cli(stack, *arguments, text=None, fails=False):
    """What muster-token says, as the operator would run it."""
    env = os.environ | {"MUSTER_TOKEN_KEY": stack.key} | {name: stack.exports[name] for name in stack.exports
                                                          if name.startswith("MUSTER_NATS_")}
    done = subprocess.run([PROGRAMS / "muster-token", *arguments], env=env, input=text, capture_output=True,
                          encoding="utf-8", check=False)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def status(stack, gateway, token, path="/api/v1/teams"):
    return fetch(stack.own_url(gateway) + path, token)


def until_bye(view):
    """The reason that the view is ended with, and the close code of a WebSocket."""
    reason = view.until("bye")["reason"]
    if isinstance(view, SocketView):
        return reason, view.until_closed()
    with pytest.raises(EOFError):
        view.next()
    return reason, None


# ---- expiry ----

@pytest.mark.parametrize("kind", KINDS)
def test_a_view_ends_when_its_token_expires(stack, kind):
    url = stack.own_url("gateway-1")
    token, other = manager(stack.key, seconds=3), manager(stack.key)
    with KINDS[kind](url, "team-1", token) as view, KINDS[kind](url, "team-1", other) as stays:
        reason, code = until_bye(view)
        assert reason == "token_expired" and code == (None if kind == "sse" else 4401)
        assert expiry_of(token) <= time.time() <= expiry_of(token) + 5
        assert error_code(status(stack, "gateway-1", token)) == "token_expired"
        stays.until("snapshot")
        assert 'muster_gateway_viewers_closed_total{reason="token"}' in metrics(url)
        assert status(stack, "gateway-1", other)[0] == 200


def test_a_device_is_acked_and_told_when_its_token_expires(stack):
    token = worker_token(stack.key, "short", "team-1", seconds=4)
    with Device(stack.own_device_address("tracker-1")) as device, Device(stack.own_device_address("tracker-1")) as stays:
        assert stays.hello(worker_token(stack.key, "long", "team-1")).HasField("welcome")
        assert device.hello(token).HasField("welcome")
        device.report(position(), ack_now=False)
        assert device.receive().ack.report == 1  # what is durable is acked before the end
        assert device.receive_error() == "TOKEN_EXPIRED"
        assert expiry_of(token) <= time.time() <= expiry_of(token) + 5
        stays.report(position())
        assert stays.receive().ack.report == 1
    with Device(stack.own_device_address("tracker-2")) as device:
        device.send(hello=device_pb2.Hello(token=token, protocol=1))
        assert device.receive_error() == "TOKEN_EXPIRED"
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        assert wait_for(lambda: database.execute(
            "SELECT reason FROM session JOIN worker ON worker.id = worker_id WHERE name = 'short' AND reason <> ''"
        ).fetchone()) == ("token_expired",)


# ---- revocation ----

def test_a_revoked_token_ends_everywhere_and_for_good(stack):
    token, other = stack.mint("--team", "team-1", "--subject", "ben"), stack.mint("--team", "team-1", "--subject", "ben")
    views = [KINDS[kind](stack.own_url(gateway), "team-1", token) for kind in KINDS for gateway in stack.gateways]
    stays = View(stack.own_url("gateway-2"), "team-1", other)
    began = time.monotonic()
    assert "revoked" in cli(stack, "revoke", "--reason", "lost", "--token-file", "/dev/stdin", text=token)
    for view in views:
        assert until_bye(view)[0] == "token_revoked"
        view.close()
    assert time.monotonic() - began < 5
    for gateway in stack.gateways:
        answer = status(stack, gateway, token)
        assert answer[0] == 401 and error_code(answer) == "token_revoked"
        assert 'error_description="the token was revoked"' in answer[1]["WWW-Authenticate"]
        assert status(stack, gateway, other)[0] == 200
    assert status(stack, "gateway-2", other)[0] == 200
    stays.close()
    stack.kill("gateway-2")  # one that starts later knows it, too
    stack.restart("gateway-2")
    assert error_code(status(stack, "gateway-2", token)) == "token_revoked"
    listed = cli(stack, "revoked")
    assert 'reason "lost"' in listed
    assert "NOT VALID: the token was revoked" in cli(stack, "inspect", text=token, fails=True)
    assert "verdict     valid" in cli(stack, "inspect", text=other)


def test_a_revoked_device_goes_and_comes_in_nowhere(stack):
    def token():
        claims = {"sub": "van-7", "role": "worker", "team": "team-1", "iat": int(time.time()), "exp": int(time.time()) + 3600}
        return sign(stack.key, claims)

    old = token()
    namesake = worker_token(stack.key, "van-7", "team-2")
    with Device(stack.own_device_address("tracker-1")) as device, Device(stack.own_device_address("tracker-1")) as stays:
        assert device.hello(old).HasField("welcome") and stays.hello(namesake).HasField("welcome")
        began = time.monotonic()
        cli(stack, "revoke", "--subject", "van-7", "--team", "team-1")
        assert device.receive_error() == "TOKEN_REVOKED"
        assert time.monotonic() - began < 5
        stays.report(position())
        assert stays.receive().ack.report == 1
    for tracker in stack.trackers:
        def refused():
            with Device(stack.own_device_address(tracker)) as again:
                again.send(hello=device_pb2.Hello(token=old, protocol=1))
                return again.receive_error() == "TOKEN_REVOKED"
        assert refused()
        with Device(stack.own_device_address(tracker)) as device:  # with a token that was issued afterwards
            assert device.hello(token()).HasField("welcome")


def test_without_nats_what_is_known_stays_in_force_and_who_knows_nothing_lets_nobody_in(stack):
    revoked, good = (stack.mint("--team", "team-1", "--subject", "eve") for _ in range(2))
    cli(stack, "revoke", "--token-file", "/dev/stdin", text=revoked)
    wait_for(lambda: all(status(stack, gateway, revoked)[0] == 401 for gateway in stack.gateways))
    stack.kill("nats")
    try:
        assert "NOT revoked" in cli(stack, "revoke", "--jti", "x", fails=True)
        assert error_code(status(stack, "gateway-1", revoked)) == "token_revoked"
        assert status(stack, "gateway-1", good)[0] == 200
        stack.kill("gateway-2")
        stack.start_again("gateway-2")
        wait_for(lambda: b"what is revoked is not known" in answer(stack, "gateway-2", "/readyz"))
        for token in (revoked, good):
            refusal = status(stack, "gateway-2", token)
            if token == good:
                assert refusal[0] == 503 and refusal[1]["Retry-After"]
            assert refusal[0] != 200
        stack.kill("tracker-2")
        stack.start_again("tracker-2")
        # One that is just starting may end a connection without a word.
        told = wait_for(lambda: hello(stack, "tracker-2", worker_token(stack.key, "early", "team-1")))
        assert told.go_away.reason == "what is revoked is not known yet" and told.go_away.retry_after_ms <= 2000
    finally:
        stack.restart("nats")
    wait_for(lambda: status(stack, "gateway-2", good)[0] == 200)
    assert error_code(status(stack, "gateway-2", revoked)) == "token_revoked"
    wait_for(lambda: answer(stack, "tracker-2", "/readyz") == b"ready\n", 20)


def answer(stack, name, path):
    try:
        return fetch(stack.own_url(name) + path)[2]
    except OSError:
        return b""


def hello(stack, tracker, token):
    """What a device that comes is told; None if it cannot connect, or is told nothing."""
    try:
        with Device(stack.own_device_address(tracker)) as device:
            return device.hello(token)
    except OSError:
        return None


# ---- keys ----

def hang_up(stack, event):
    """Has all replicas read their keys again, and waits until they say so."""
    names = [*stack.trackers, *stack.gateways]
    before = {name: stack.process(name).log_text().count(f"event={event} ") for name in names}
    for name in names:
        stack.process(name).signal(signal.SIGHUP)
    for name in names:
        wait_for(lambda: stack.process(name).log_text().count(f"event={event} ") > before[name])


def test_keys_change_under_open_views_and_sessions(stack, folder):
    old, new = manager(OLD, kid="old"), manager(NEW, kid="new")
    (folder / "new.hs256").write_text(NEW)
    with View(stack.own_url("gateway-1"), "team-1", old) as view, Device(stack.own_device_address("tracker-1")) as device:
        view.until("snapshot")
        claims = {"sub": "rotated", "role": "worker", "team": "team-1", "exp": int(time.time()) + 3600}
        assert device.hello(sign(OLD, claims, {"alg": "HS256", "kid": "old"})).HasField("welcome")
        assert error_code(status(stack, "gateway-1", new)) == "token_signature"
        hang_up(stack, "token_keys_read")
        for gateway in stack.gateways:
            assert status(stack, gateway, new)[0] == status(stack, gateway, old)[0] == 200
        (folder / "old.hs256").unlink()
        hang_up(stack, "token_keys_read")
        assert error_code(status(stack, "gateway-1", old)) == "token_signature"
        (folder / "broken.rs256").write_text("not a key")
        hang_up(stack, "token_keys_not_read")
        assert status(stack, "gateway-2", new)[0] == 200
        (folder / "broken.rs256").unlink()
        device.report(position())  # neither was dropped by any of this
        assert device.receive().ack.report == 1
        view.until_rows(lambda rows: "rotated" in rows and rows["rotated"][1], "the position")
        with Device(stack.own_device_address("tracker-2")) as other:
            other.send(hello=device_pb2.Hello(token=sign(OLD, claims, {"alg": "HS256", "kid": "old"}), protocol=1))
            assert other.receive_error() == "TOKEN_INVALID"
        assert not any(OLD in stack.process(name).log_text() or "not a key" in stack.process(name).log_text()
                       for name in [*stack.trackers, *stack.gateways])


@pytest.mark.parametrize("algorithm, make, publish", [
    ("RS256", ["genrsa", "-out"], ["rsa"]),
    ("ES256", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"], ["ec"]),
])
def test_public_keys_check_what_private_keys_sign(stack, folder, tmp_path, algorithm, make, publish):
    private, kid = tmp_path / "private.pem", f"pair-{algorithm}"
    public = folder / f"{kid}.{algorithm.lower()}"
    subprocess.run(["openssl", *make, private], check=True, capture_output=True)
    subprocess.run(["openssl", *publish, "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    hang_up(stack, "token_keys_read")

    def mint(*arguments):
        return cli(stack, "mint", "--algorithm", algorithm, "--kid", kid, "--token-key-file", str(private), *arguments).strip()

    token = mint("--team", "team-1", "--subject", "anna")
    assert status(stack, "gateway-1", token)[0] == 200
    assert "verdict     valid" in cli(stack, "inspect", "--token-keys", str(folder), text=token)
    with Device(stack.own_device_address("tracker-1")) as device:
        assert device.hello(mint("--role", "worker", "--team", "team-1", "--subject", kid)).HasField("welcome")
    forged = sign(public.read_text(), {"sub": "eve", "role": "admin", "exp": int(time.time()) + 60}, {"alg": "HS256", "kid": kid})
    assert error_code(status(stack, "gateway-1", forged)) == "token_signature"
    public.unlink()


# ---- muster-token ----

def test_what_is_minted_can_be_inspected(stack):
    start = int(time.time()) + 3600
    token = cli(stack, "mint", "--teams", "a,b", "--subject", "an\x1bna", "--jti", "id-7", "--not-before", str(start), "--days", "0.5")
    said = cli(stack, "inspect", text=token, fails=True)
    for wanted in ('"jti":"id-7"', f'"nbf":{start}', f'"exp":{start + 43200}', "teams       a, b", "role        manager",
                   "NOT VALID: the token is not valid yet"):
        assert wanted in said, said
    assert "\x1b" not in said, "what a stranger wrote must not reach the terminal as it is"
    assert "NOT VALID: the token is malformed" in cli(stack, "inspect", text="x", fails=True)
    assert "NOT VALID: the token is not signed by our key" in cli(stack, "inspect", text=sign("k" * 32, {
        "sub": "a", "role": "admin", "exp": start}), fails=True)
    assert cli(stack, "mint", "--team", "a", "--subject", "s").count(".") == 2


@pytest.mark.parametrize("arguments, said", [
    (["mint", "--team", "a"], "--subject is missing"), (["mint", "--team", "a", "--subject", "s", "--jti", "a b"], "--jti wants"),
    (["mint", "--team", "a", "--subject", "s", "--algorithm", "HS512"], "--algorithm is none of"),
    (["mint", "--team", "a", "--subject", "s", "--algorithm", "RS256"], "is the key one of RS256?"),
    (["mint", "--token-key", "k" * 32], "unknown option"), (["revoke"], "give one of"), (["revoke", "--jti", "a.b"], "--jti wants"),
    (["revoke", "--jti", "a", "--subject", "b"], "give one of"), (["mend"], "unknown command"),
    (["revoked", "--nats-url", "nats://a:b@127.0.0.1"], "no place for a user or a password"),
])
def test_muster_token_says_what_it_will_not_do(stack, arguments, said):
    answer = cli(stack, *arguments, fails=True)
    assert said in answer and "k" * 32 not in answer


def test_each_command_has_help_with_examples(stack):
    for command in ("mint", "inspect", "revoke", "revoked"):
        assert f"\n  muster-token {command}" in cli(stack, command, "--help") or command == "inspect"
        assert f"muster-token {command}" in cli(stack, "--help")


def test_a_list_is_tidied_of_what_has_expired_long_ago(stack):
    def token(jti, days):
        now = int(time.time())
        return sign(stack.key, {"sub": "a", "role": "admin", "jti": jti, "iat": now - 864000, "exp": int(now - days * 86400)})

    cli(stack, "revoke", "--token-file", "/dev/stdin", text=token("long-ago", 2))
    cli(stack, "revoke", "--token-file", "/dev/stdin", text=token("just-now", 0.5))
    assert '"long-ago"' in cli(stack, "revoked") and "(removed)" in cli(stack, "revoked", "--tidy")
    assert '"long-ago"' not in cli(stack, "revoked") and '"just-now"' in cli(stack, "revoked")


# ---- refusals ----

def test_devices_are_told_what_is_wrong(stack):
    soon = int(time.time()) + 3600
    good = {"sub": "w", "role": "worker", "team": "team-1", "exp": soon}
    cases = [
        ("TOKEN_INVALID", {"token": "x"}), ("TOKEN_INVALID", {"token": sign("k" * 32, good)}),
        ("TOKEN_INVALID", {"token": manager(stack.key)}),
        ("TOKEN_EXPIRED", {"token": sign(stack.key, good | {"exp": soon - 7200})}),
        ("CLOCK", {"token": sign(stack.key, good | {"nbf": soon - 1800})}),
        ("WRONG_TEAM", {"token": sign(stack.key, good), "team": "team-2"}),
        ("PROTOCOL_VERSION", {"token": sign(stack.key, good), "protocol": 2}),
    ]
    for code, hello in cases:
        with Device(stack.own_device_address("tracker-1")) as device:
            device.send(hello=device_pb2.Hello(**{"protocol": 1} | hello))
            assert device.receive_error() == code, hello
        assert metrics(stack.own_url("tracker-1"))[f'muster_tracker_protocol_errors_total{{code="{code}"}}'] >= 1
    with Device(stack.own_device_address("tracker-1")) as device:
        device.send(hello=device_pb2.Hello(protocol=1, token=sign(stack.key, good), team="team-1"))
        assert device.receive().HasField("welcome")


def test_http_clients_are_told_what_is_wrong(stack):
    soon = int(time.time()) + 3600
    for code, token in [
        ("token_missing", None), ("token_malformed", "x"), ("token_signature", sign("k" * 32, {"sub": "a"})),
        ("token_malformed", sign(stack.key, {"sub": "a", "role": "admin"})),
        ("token_expired", sign(stack.key, {"sub": "a", "role": "admin", "exp": soon - 7200})),
        ("token_early", sign(stack.key, {"sub": "a", "role": "admin", "exp": soon, "nbf": soon - 60})),
    ]:
        refusal = status(stack, "gateway-1", token)
        assert refusal[0] == 401 and error_code(refusal) == code and refusal[1]["WWW-Authenticate"].startswith("Bearer")


def test_a_stranger_cannot_tell_teams_that_exist_from_those_that_do_not(stack):
    with Device(stack.own_device_address("tracker-1")) as device:
        assert device.hello(worker_token(stack.key, "secret-van", "secret")).HasField("welcome")
        wait_for(lambda: b"secret" in status(stack, "gateway-1", stack.mint("--role", "admin", "--subject", "ops"))[2])
        token = manager(stack.key)
        for path in ("positions", "stream", "socket", "track?from=1&to=2", "workers/secret-van/track?from=1&to=2"):
            there, nowhere = (status(stack, "gateway-1", token, f"/api/v1/teams/{team}/{path}") for team in ("secret", "sacred"))
            if path == "socket":
                continue  # without a handshake it is refused before anything is looked at
            assert there[0] == nowhere[0] == 403
            assert there[2].replace(b"secret", b"sacred") == nowhere[2]
            assert sorted(there[1].keys()) == sorted(nowhere[1].keys())
        assert b"secret" not in status(stack, "gateway-1", token)[2]
        assert b"secret" not in fetch(stack.own_url("gateway-1") + "/metrics")[2]
