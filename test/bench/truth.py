"""What every view must show in the end: the last positions and the status that Postgres has."""
import json
import time

import psycopg

from figures import Invalid

PATIENCE_S = 30
LAST = ("SELECT w.team, w.name, w.online, (extract(epoch FROM p.taken_at) * 1000000)::bigint, p.latitude_e7, p.longitude_e7"
        " FROM worker w LEFT JOIN latest_position p ON p.worker_id = w.id")


def recorded(database):
    teams = {}
    for team, worker, online, *position in database.execute(LAST).fetchall():
        teams.setdefault(team, {})[worker] = (online, *position)
    return teams


def shown(path):
    """The same of what a crowd's views show: rows are worker, taken_at_us, longitude, latitude, …, status, tracker."""
    teams = json.loads(path.read_text(encoding="utf-8"))

    def e7(degrees):
        return None if degrees is None else round(degrees * 1e7)

    return {team: {worker: (row[9] != "offline", row[1], e7(row[3]), e7(row[2])) for worker, row in rows.items()}
            for team, rows in teams.items()}


def check_unhealed(rig):
    """What a gateway found wrong by comparing with Postgres, and put right, was wrong."""
    for name in filter(lambda name: rig.stack.process(name).alive(), rig.stack.gateways):
        if found := rig.metric(name, "differences_total"):
            raise Invalid(f"{name} has found {found:.0f} differences from Postgres")


def check_views(rig, crowd, workers):
    """All devices are gone: every view of the crowd must come to what Postgres has, of that many workers."""
    path = rig.folder / "states.json"
    deadline = time.monotonic() + PATIENCE_S
    with psycopg.connect(rig.stack.database_url, autocommit=True) as database:
        while True:
            states, truth = crowd.states(path), recorded(database)
            views = shown(path)
            whole = sum(map(len, truth.values())) == workers and not any(
                online for team in truth.values() for online, *_ in team.values())
            if whole and states["wrong"] == 0 and views == truth:
                crowd.mark()
                check_unhealed(rig)
                return states["viewers"]
            if time.monotonic() > deadline:
                wrong = sum(views.get(team) != rows for team, rows in truth.items())
                raise Invalid(f"views are wrong: {states['wrong']} of {states['viewers']} differ from their team, "
                              f"{wrong} of {len(truth)} teams from Postgres (complete: {whole})")
            time.sleep(0.2)
