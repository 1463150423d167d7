"""Fetches what the servers have, once all is healed and the devices are gone, and hands it to the checker."""
import time

import psycopg

import team_pb2
from checker import Ledger, check_ends, check_history, check_stream, check_view
from jetstream import Nats, messages, stream_state
from views import View, metrics

STREAM = "MUSTER_LOG"
RECORD_SECONDS = 60
STATUS_SECONDS = 10

HISTORY = ("COPY (SELECT team, name, (extract(epoch FROM taken_at) * 1000000)::bigint, latitude_e7, longitude_e7"
           " FROM {} JOIN worker ON id = worker_id) TO STDOUT")


def wait_until_recorded(database, nats, findings):
    """The recorder has come to the stream's end."""
    last = stream_state(nats, STREAM)["last_seq"]
    deadline = time.monotonic() + RECORD_SECONDS
    while True:
        row = database.execute("SELECT max(sequence) FROM stream_position").fetchone()
        if row[0] is not None and row[0] >= last:
            return
        if time.monotonic() > deadline:
            findings.add("not_recovered", f"the recorder is at {row[0]} of {last} after {RECORD_SECONDS} s")
            return
        time.sleep(0.1)


def rows_of(database, table):
    with database.cursor() as cursor, cursor.copy(HISTORY.format(table)) as copy:
        copy.set_types(["text", "text", "int8", "int4", "int4"])
        yield from copy.rows()


def updates_of(nats):
    for body in messages(nats, STREAM):
        for update in team_pb2.LogBatch.FromString(body).updates:
            if update.HasField("position"):
                position = update.position
                yield update.team, update.worker, position.taken_at_us, position.latitude_e7, position.longitude_e7


def by_team(rows):
    teams = {}
    for team, worker, *row in rows:
        teams.setdefault(team, {})[worker] = tuple(row)
    return teams


def shown_by(view):
    return {name: (row[1], round(row[3] * 1e7), round(row[2] * 1e7)) for name, row in view.rows.items()}


def check_new_views(stack, ledger, expected, findings):
    """A fresh view of each team on each gateway: its first event is the whole truth, also of who is offline."""
    token = stack.mint("--role", "admin", "--subject", "drill")
    until = time.monotonic() + STATUS_SECONDS
    for gateway in stack.gateways:
        for team in expected:
            while True:
                with View(stack.own_url(gateway), team, token) as view:
                    view.until("snapshot")
                online = [name for name, row in view.rows.items() if row[9] != "offline"]
                if not online or time.monotonic() > until:
                    break
                time.sleep(0.2)
            check_view(team, shown_by(view), ledger, expected, f"new view of {gateway}", findings)
            for name in online:
                findings.add("wrong_status", f"{name} of {team} is {view.rows[name][9]} at {view.rows[name][10]} "
                                             f"for {gateway}")
    return len(stack.gateways) * len(expected)


def heals(stack):
    """How often the gateways that run now had to heal, by reason."""
    counts = {}
    for gateway in stack.gateways:
        for name, value in metrics(stack.own_url(gateway)).items():
            if name.startswith("muster_gateway_heals_total") and value:
                reason = name.split('"')[1]
                counts[reason] = counts.get(reason, 0) + int(value)
    return counts


def check_everything(drill):
    """Adds to the drill's findings; returns what else is worth telling."""
    stack, findings = drill.stack, drill.findings
    report = drill.load.report()
    with open(drill.folder / "ledger", encoding="ascii") as file:
        ledger = Ledger(file)
    nats = Nats(stack.nats_url)
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        wait_until_recorded(database, nats, findings)
        drill.say("the recorder has come to the end of the stream")
        state = stream_state(nats, STREAM)
        check_ends(ledger, findings)
        check_stream(ledger, updates_of(nats), state["first_seq"] <= 1, findings)
        check_history(ledger, rows_of(database, "position_history"), findings)
        expected = ledger.final()
        latest = by_team(rows_of(database, "latest_position"))
        for team in expected:
            check_view(team, latest.get(team, {}), ledger, expected, "latest_position", findings)
    nats.close()
    drill.say("position_history and the stream are read")
    views = drill.load.views()
    for view in views:
        shown = {worker: tuple(row) for worker, row in view["workers"].items()}
        check_view(view["team"], shown, ledger, expected, f"viewer {view['viewer']} at {view['http']}", findings)
    new_views = check_new_views(stack, ledger, expected, findings)
    if report["backward_rows"]:
        findings.add("out_of_order", "see report.json", report["backward_rows"])
    rows = sum(1 for _ in filter(lambda each: each[2].in_history, ledger.each()))
    told = {name: report[name] for name in ("acked", "resent", "reconnects", "viewer_reconnects", "viewer_errors",
                                            "error_codes", "ack_ms", "view_ms")}
    return {"positions": report["taken"], "rows": rows, "views": len(views) + new_views, **told,
            "stream_messages": state["messages"], "heals": heals(stack)}
