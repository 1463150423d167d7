"""Each program may do what it does, and nothing else: NATS users, Postgres roles, and secrets that stay where they are."""
import json
import os
import re
import socket
import subprocess
import time
import urllib.parse
from pathlib import Path

import psycopg
import pytest

from devices import Device, now_us, position, sign, worker_token
from views import PROGRAMS, SocketView, Stack, View, fetch, wait_for

TEAM = "team-1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One for all tests here, in use: workers are recorded, views are joined."""
    here = Stack(tmp_path_factory.mktemp("privilege"), PROGRAMS, trackers=2, gateways=1,
                 environment={"MUSTER_LOG_LEVEL": "debug"})
    here.up()
    try:
        use(here)
        yield here
        assert here.down() == [], "programs had to be killed"
    finally:
        here.down()


def use(stack):
    """Everything that a program has rights for happens once: a device reports, it is recorded, views are joined from the
    log as well as from Postgres, the log is trimmed, a worker goes."""
    with Device(stack.device_address) as device, database(stack) as owner:
        assert device.hello(worker_token(stack.key, "van", TEAM)).HasField("welcome")
        device.report(position())
        assert device.receive().ack.report == 1
        admin = stack.mint("--role", "admin", "--subject", "boss")
        for view in (View, SocketView):
            with view(stack.http_url, TEAM, admin) as open_view:
                open_view.until("snapshot")
        wait_for(lambda: owner.execute("SELECT count(*) FROM position_history").fetchone()[0] == 1)
        track = f"{stack.http_url}/api/v1/teams/{TEAM}/workers/van/track?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z"
        assert fetch(track, admin)[0] == 200
    with database(stack) as owner:
        wait_for(lambda: owner.execute("SELECT count(*) FROM session WHERE disconnected_at IS NOT NULL").fetchone()[0])


def database(stack, role=None):
    return psycopg.connect(stack.database_url_of(role) if role else stack.database_url, autocommit=True)


# ---- NATS ----


class Nats:
    """A client of NATS that asks before it believes."""

    def __init__(self, url):
        address = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=5)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        login = {"verbose": False, "pedantic": False, "headers": True}
        if address.username:
            login |= {"user": address.username, "pass": address.password}
        self.fault = self.say(f"CONNECT {json.dumps(login)}\r\n")

    def say(self, text):
        """What the server has against it; None if nothing."""
        self.socket.sendall(text.encode() + b"PING\r\n")
        fault = None
        while (line := self.file.readline()) and line != b"PONG\r\n":
            if line.startswith(b"-ERR"):
                fault = line.decode().strip()
            elif line.startswith((b"MSG", b"HMSG")):
                self.file.read(int(line.split()[-1]) + 2)
        return fault

    def may_publish(self, subject):
        return not self.say(f"PUB {subject} 0\r\n\r\n")

    def may_read(self, subject):
        fault = self.say(f"SUB {subject} 7\r\n")
        self.say("UNSUB 7\r\n")
        return not fault


READS_LOG = ["$JS.API.STREAM.INFO.MUSTER_LOG", "$JS.API.CONSUMER.CREATE.MUSTER_LOG", "$JS.API.STREAM.INFO.MUSTER_REVOKED",
             "$JS.API.STREAM.MSG.GET.MUSTER_REVOKED"]
NOBODYS = ["$JS.API.STREAM.CREATE.MUSTER_LOG", "$JS.API.STREAM.UPDATE.MUSTER_LOG", "$JS.API.STREAM.DELETE.MUSTER_LOG",
           "$JS.API.STREAM.SNAPSHOT.MUSTER_LOG", "$JS.API.STREAM.RESTORE.MUSTER_LOG", "$JS.API.STREAM.MSG.GET.MUSTER_LOG",
           "$JS.API.STREAM.MSG.DELETE.MUSTER_LOG", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.CONSUMER.NAMES.MUSTER_LOG",
           "$JS.API.CONSUMER.LIST.MUSTER_LOG", "$JS.API.STREAM.CREATE.OTHER", "$JS.API.CONSUMER.CREATE.OTHER", "$SYS.REQ.SERVER.PING",
           "$JS.API.STREAM.PURGE.MUSTER_REVOKED", "$JS.API.STREAM.DELETE.MUSTER_REVOKED", "$JS.API.STREAM.MSG.DELETE.MUSTER_REVOKED",
           "muster.revoked.holder.x", "other", "muster", "_INBOX.admin.x"]
RIGHTS = {
    "tracker": {
        "publishes": ["muster.pos.team-1", "muster.log.0", "muster.replica.tracker.t"] + READS_LOG,
        "not": ["muster.replica.gateway.g", "_INBOX.gateway.x", "_INBOX.tracker.x", "muster.revoked.jti.x"] + NOBODYS,
        "reads": ["muster.replica.tracker.*", "_INBOX.tracker.x.*"],
        "not read": [">", "muster.>", "muster.pos.*", "muster.log.*", "_INBOX.>", "_INBOX.gateway.>", "$JS.>", "$SYS.>"],
    },
    "gateway": {
        "publishes": ["muster.replica.gateway.g", "muster.share.team-1.s", "muster.revoked.jti.d", "$JS.API.STREAM.INFO.MUSTER_SHARES",
                      "$JS.API.STREAM.MSG.GET.MUSTER_SHARES", "$JS.API.STREAM.MSG.DELETE.MUSTER_SHARES"] + READS_LOG,
        "not": ["muster.pos.team-1", "muster.log.0", "muster.log.1", "muster.replica.tracker.t", "_INBOX.tracker.x",
                "$JS.API.STREAM.PURGE.MUSTER_LOG", "muster.revoked.holder.d", "$JS.API.STREAM.MSG.DELETE.MUSTER_REVOKED",
                "$JS.API.STREAM.PURGE.MUSTER_SHARES", "$JS.API.STREAM.DELETE.MUSTER_SHARES"] + NOBODYS,
        "reads": ["muster.pos.*", "muster.replica.>", "_INBOX.gateway.x.*"],
        "not read": [">", "muster.>", "muster.log.*", "_INBOX.>", "_INBOX.tracker.>", "$JS.>", "$SYS.>"],
    },
}


@pytest.mark.parametrize("user", RIGHTS)
def test_a_nats_user_may_do_what_its_program_does_and_nothing_else(stack, user):
    nats, rights = Nats(stack.nats_url_of(user)), RIGHTS[user]
    assert [s for s in rights["publishes"] if not nats.may_publish(s)] == []
    assert [s for s in rights["not"] if nats.may_publish(s)] == []
    assert [s for s in rights["reads"] if not nats.may_read(s)] == []
    assert [s for s in rights["not read"] if nats.may_read(s)] == []


def test_what_a_gateways_user_publishes_as_a_position_reaches_nobody(stack):
    listener, gateway = Nats(stack.nats_url), Nats(stack.nats_url_of("gateway"))
    listener.socket.sendall(b"SUB muster.pos.* 1\r\nPING\r\n")
    while listener.file.readline() != b"PONG\r\n":
        pass
    gateway.say("PUB muster.pos.forged 2\r\nhi\r\n")
    listener.socket.sendall(b"PUB muster.pos.real 2\r\nhi\r\n")  # the next that comes, if nothing came before
    line = listener.file.readline()
    while not line.startswith(b"MSG"):
        line = listener.file.readline()
    assert line.split()[1] == b"muster.pos.real"


def test_what_a_gateways_user_lets_jetstream_deliver_as_live_is_not_taken_for_it(stack):
    """The server does not ask whether a consumer's owner may publish where it is delivered to."""
    admin = stack.mint("--role", "admin", "--subject", "boss")
    with Device(stack.device_address) as device:
        device.hello(worker_token(stack.key, "lonely", "0"))  # named as the log's subject ends
        device.report(position())
        device.receive()
        with View(stack.http_url, "0", admin) as view:
            view.until("snapshot")
            gateway = Nats(stack.nats_url_of("gateway"))
            wanted = {"deliver_subject": "muster.pos.0", "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant"}
            body = json.dumps({"stream_name": "MUSTER_LOG", "config": wanted})
            assert not gateway.say(f"PUB $JS.API.CONSUMER.CREATE.MUSTER_LOG {len(body)}\r\n{body}\r\n")
            wait_for(lambda: "event=foreign_message" in stack.process("gateway-1").log_text())
            device.report(position())
            taken_at = device.reports
            view.until("delta")
            assert taken_at == 2 and set(view.rows) == {"lonely"}


@pytest.mark.parametrize("login", ["", "tracker:wrong@", "gateway:@", "nobody:x@"])
def test_nats_lets_nobody_in_without_a_login(stack, login):
    nats = Nats(f"nats://{login}127.0.0.1:{stack.ports['nats']}")
    assert "Authorization Violation" in nats.fault


def test_no_program_asks_nats_for_more_than_it_may(stack):
    """NATS logs it with the version of nats.c; the client above has none."""
    monitor = f"http://127.0.0.1:{stack.ports['nats-monitor']}"
    wait_for(lambda: json.loads(fetch(f"{monitor}/jsz")[2])["consumers"] == 1, 40)  # the recorder's: views are joined
    violations = [line for line in stack.process("nats").log_text().splitlines() if "Violation" in line]
    assert [line for line in violations if re.search(r'cid:\d+ - "v', line)] == []


# ---- Postgres ----

TABLES = ["worker", "latest_position", "position_history", "session", "stream_position", "stream_mark", "set_aside", "schema_version"]


def refused(connection, sql):
    try:
        connection.execute(sql)
    except psycopg.errors.InsufficientPrivilege:
        return True
    except psycopg.Error as error:
        raise AssertionError(f"{sql}: {error}") from error
    return False


def test_a_gateways_role_reads_what_it_shows_and_writes_nothing(stack):
    with database(stack, "muster_gateway") as gateway:
        shown = {"worker", "latest_position", "position_history", "stream_position"}
        for table in TABLES:
            assert refused(gateway, f"SELECT * FROM {table} LIMIT 1") == (table not in shown), table
            for sql in (f"INSERT INTO {table} DEFAULT VALUES", f"DELETE FROM {table}", f"TRUNCATE {table}", f"DROP TABLE {table}",
                        f"ALTER TABLE {table} ADD COLUMN more text"):
                try:
                    assert refused(gateway, sql), sql
                except psycopg.errors.NotNullViolation:
                    raise AssertionError(sql) from None
        for sql in ("UPDATE worker SET online = true", "UPDATE latest_position SET latitude_e7 = 0",
                    "UPDATE stream_position SET sequence = 0", "CREATE TABLE public.mine (a int)", "CREATE TEMP TABLE mine (a int)",
                    "CREATE SCHEMA mine", "CREATE ROLE mine", "SELECT * FROM pg_authid", "SELECT pg_read_file('/etc/passwd')",
                    "COPY worker TO PROGRAM 'cat'", "SET ROLE muster", "SET ROLE muster_recorder", "ALTER ROLE muster PASSWORD 'x'"):
            assert refused(gateway, sql), sql


def test_a_recorders_role_writes_reports_and_owns_nothing_but_the_history(stack):
    with database(stack, "muster_recorder") as recorder:
        for sql in ("DELETE FROM worker", "DELETE FROM latest_position", "DELETE FROM session", "DELETE FROM stream_position",
                    "UPDATE stream_mark SET sequence = 0", "SELECT * FROM set_aside", "DELETE FROM set_aside",
                    "INSERT INTO schema_version (version) VALUES (99)", "DELETE FROM schema_version",
                    "DROP TABLE worker", "TRUNCATE worker", "ALTER TABLE session ADD COLUMN more text", "CREATE TEMP TABLE mine (a int)",
                    "CREATE SCHEMA mine", "CREATE ROLE mine", "SELECT * FROM pg_authid", "SELECT pg_read_file('/etc/passwd')",
                    "COPY worker TO PROGRAM 'cat'", "SET ROLE muster", "ALTER ROLE muster PASSWORD 'x'"):
            assert refused(recorder, sql), sql
        owned = recorder.execute("SELECT relname FROM pg_class WHERE relowner = 'muster_recorder'::regrole AND relkind IN ('r', 'p')")
        assert all(name.startswith("position_history") for name, in owned.fetchall())


def test_only_the_three_roles_can_log_in(stack):
    roles = psycopg.connect(stack.database_url).execute("SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY 1").fetchall()
    assert [name for name, in roles] == ["muster", "muster_gateway", "muster_recorder", "postgres"]
    port = stack.ports["postgres"]
    for url in (f"postgresql://postgres@127.0.0.1:{port}/postgres", f"postgresql://muster@127.0.0.1:{port}/muster",
                f"postgresql://muster_gateway:wrong@127.0.0.1:{port}/muster"):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)


def test_partitions_that_the_recorder_makes_are_readable_through_the_history_only(stack):
    with database(stack, "muster_gateway") as gateway:
        assert gateway.execute("SELECT count(*) FROM position_history").fetchone()[0] >= 1
        day = time.strftime("%Y%m%d", time.gmtime())
        assert refused(gateway, f"SELECT * FROM position_history_{day}")


def test_a_tracker_without_rights_waits_for_tables_instead_of_ending(tmp_path):
    """--provision never, before anybody has made them: it says so, and is ready once they are there."""
    here = Stack(tmp_path, PROGRAMS, trackers=1, gateways=0)
    here.provision = lambda: None
    with pytest.raises(Exception, match="NATS or its stream is out of reach") as failed:
        here.up()
    assert "tracker-1 is not ready" in str(failed.value)
    log = (here.run / "log" / "tracker-1.log").read_text(encoding="utf-8")
    assert "schema_version" in log and "stream_unavailable" in log


# ---- secrets ----


def secrets_of(stack):
    """What nobody may find, by name."""
    found = {path.name: path.read_text(encoding="utf-8") for path in stack.run.glob("*.password")}
    return found | {"key": stack.key}


def test_files_with_secrets_are_their_owners_only(stack):
    secrets = secrets_of(stack)
    assert len(secrets) == 7
    holders = [path for path in stack.run.rglob("*") if path.is_file() and "postgres" not in path.relative_to(stack.run).parts[0]
               and any(value in path.read_text(encoding="utf-8", errors="replace") for value in secrets.values())]
    assert {path.name for path in holders} >= {"env", "nats.conf", "tracker-1.database-url"}
    assert [path.name for path in holders if path.stat().st_mode & 0o077] == []


def test_no_secret_and_no_token_is_in_a_log_a_command_line_or_an_environment(stack):
    tokens = {
        "worker": worker_token(stack.key, "truck", TEAM),
        "expired": worker_token(stack.key, "truck", TEAM, seconds=-100),
        "forged": worker_token("x" * 64, "truck", TEAM),
        "none": sign(stack.key, {"sub": "a", "role": "admin", "exp": int(time.time()) + 60}, {"alg": "none"}),
        "manager": stack.mint("--role", "manager", "--team", TEAM, "--subject", "m"),
        "foreign": stack.mint("--role", "manager", "--team", "team-2", "--subject", "m"),
        "broken": "gibberish.that-looks-like.a-token",
    }
    use_tokens(stack, tokens)
    secrets = secrets_of(stack) | tokens
    # A token's signature alone is enough of it to be sure, and shows one that was cut, too.
    needles = {name: value.rsplit(".", 1)[-1][:32] for name, value in secrets.items()}
    logs = [path for path in (stack.run / "log").iterdir()]
    assert {path.stem for path in logs} >= {"tracker-1", "gateway-1", "nats", "haproxy", "postgres", "provision"}
    places = {str(path): path.read_bytes() for path in logs}
    for name, process in stack.processes.items():
        for part in ("cmdline", "environ"):
            places[f"{part} of {name}"] = Path(f"/proc/{process.pid}/{part}").read_bytes()
    for child in Path("/proc").glob("[0-9]*/cmdline"):  # also of short-lived ones, as far as they are there
        try:
            places[str(child)] = child.read_bytes()
        except OSError:
            continue
    assert "event=session_opened" in places[str(stack.run / "log" / "tracker-1.log")].decode() + \
        places[str(stack.run / "log" / "tracker-2.log")].decode(), "the logs are not the talkative ones"
    assert [(name, place) for place, text in places.items() for name, needle in needles.items() if needle.encode() in text] == []


def use_tokens(stack, tokens):
    for name, token in tokens.items():
        with Device(stack.device_address) as device:
            answer = device.hello(token)
            assert answer.HasField("welcome") == (name == "worker"), name
            if name == "worker":
                device.report(position(now_us()))
                assert device.receive().ack.report == 1
        fetch(f"{stack.http_url}/api/v1/teams", token)
        fetch(f"{stack.http_url}/api/v1/teams/{TEAM}/positions", headers={"Cookie": f"muster_token={token}"})
        fetch(f"{stack.http_url}/api/v1/session", token, method="POST")
        # Nothing of ours takes it there, but somebody will try.
        fetch(f"{stack.http_url}/api/v1/teams?token={token}")
        fetch(f"{stack.http_url}/api/v1/teams/{TEAM}/stream?access_token={token}&interval_ms=x")
    for view in (View, SocketView):
        with view(stack.http_url, TEAM, tokens["manager"]) as open_view:
            open_view.until("snapshot")


@pytest.mark.parametrize("program", ["muster-tracker", "muster-gateway"])
@pytest.mark.parametrize("option", ["--token-key=hush-hush", "--nats-password=hush-hush", "--database-url=hush-hush",
                                    "--nats-url=nats://u:hush-hush@127.0.0.1:1"])
def test_a_secret_given_as_a_flag_is_refused_and_not_repeated(program, option):
    env = {"MUSTER_TOKEN_KEY": "k" * 32, "MUSTER_DATABASE_URL": "postgresql://127.0.0.1:9/none", "PATH": os.environ["PATH"]}
    done = subprocess.run([PROGRAMS / program, option], env=env, capture_output=True, encoding="utf-8", timeout=10, check=False)
    assert done.returncode == 2
    assert "hush" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("program", ["muster-tracker", "muster-gateway"])
@pytest.mark.parametrize("url", ["hush-hush", "postgresql://user:hush-hush@[::1/muster", "user=muster password='hush-hush",
                                 "postgresql://user:hush-hush@localhost/muster?nonsense=1"])
def test_a_database_url_that_cannot_be_read_is_not_repeated(program, url):
    env = {"MUSTER_TOKEN_KEY": "k" * 32, "MUSTER_DATABASE_URL": url, "PATH": os.environ["PATH"]}
    done = subprocess.run([PROGRAMS / program], env=env, capture_output=True, encoding="utf-8", timeout=10, check=False)
    assert done.returncode == 2 and "database-url" in done.stderr
    assert "hush" not in done.stderr + done.stdout
