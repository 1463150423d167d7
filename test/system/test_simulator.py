"""The simulator as a load tool: several processes are as one, scenarios do what they say, the ledger is what Postgres has,
and a broken promise is an exit status."""
import collections
import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import psycopg
import pytest

from views import PROGRAMS, Stack, wait_for

SIMULATOR = PROGRAMS / "muster-simulator"
KEY = "a key that nobody checks, 32 bytes long"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    here = Stack(tmp_path_factory.mktemp("simulator"), PROGRAMS, trackers=2, gateways=2)
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"


@pytest.fixture
def database(stack):
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        for table in ("position_history", "latest_position"):
            connection.execute(f"DELETE FROM {table}")
        yield connection


class Simulator:
    """One that runs, with all its files in a folder."""

    def __init__(self, folder, *arguments, stack=None, http=None, stderr=subprocess.PIPE, database_url="",
                 connect=None):
        self.folder = folder
        command = [SIMULATOR, "--report", folder / "report.json", "--ledger", folder / "ledger", "--timeline",
                   folder / "timeline", "--view-states", folder / "views.json", *arguments]
        if stack:
            command += ["--connect", connect or stack.device_address, "--http", http or stack.http_url]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=stderr,
                                        encoding="utf-8", start_new_session=True,
                                        env=os.environ | {"MUSTER_WORKER_KEY": stack.key if stack else KEY,
                                                          "MUSTER_DATABASE_URL": database_url})

    def end(self, status=0):
        """Waits; returns the report and what was said on standard error."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == status, said
        assert "Sanitizer" not in (said or ""), said
        return json.loads((self.folder / "report.json").read_text(encoding="utf-8")), said

    def views(self):
        return json.loads((self.folder / "views.json").read_text(encoding="utf-8"))

    def timeline(self):
        lines = (self.folder / "timeline").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def fates(self):
        """Workers by index as (team, id), and a list of (fate, index, taken_at_us, latitude, longitude)."""
        workers, fates = {}, []
        for line in (self.folder / "ledger").read_text(encoding="utf-8").splitlines():
            first, index, *rest = line.split()
            if first == "worker":
                workers[int(index)] = tuple(rest)
            else:
                fates.append((first, int(index), *map(int, rest[:3])))
        return workers, fates

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def taken(self):
        try:
            with open(self.folder / "timeline", encoding="utf-8") as file:
                lines = file.read().split("\n")
        except FileNotFoundError:
            return 0
        return json.loads(lines[-2])["taken"] if len(lines) > 1 else 0


def rows(database):
    return set(database.execute(
        "SELECT team, name, (extract(epoch FROM taken_at) * 1000000)::bigint, latitude_e7, longitude_e7"
        " FROM position_history JOIN worker ON id = worker_id"))


def check_ledger(simulator, database, sent):
    workers, fates = simulator.fates()
    assert collections.Counter(fate[0] for fate in fates) == {"acked": sent}
    said = {(*workers[index], *rest) for _, index, *rest in fates}
    assert len(said) == sent
    wait_for(lambda: database.execute("SELECT count(*) FROM position_history").fetchone()[0] >= sent)
    assert rows(database) == said


# ---- several processes ----


def test_three_processes_are_one_load(stack, database, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 50, "--teams", 4, "--viewers", 11, "--interval-ms", 200, "--duration",
                          3, "--processes", 3, stack=stack)
    wait_for(lambda: simulator.taken() > 0)
    assert len(simulator.children()) == 3
    report, _ = simulator.end()
    assert report["sent"] == report["acked"] == report["taken"] == 50 * 15
    assert report["workers"] == 50 and report["viewers"] == 11 and report["connects"] == 50
    check_ledger(simulator, database, 750)
    assert [view["viewer"] for view in simulator.views()] == list(range(11))
    assert [view["team"] for view in simulator.views()] == [f"team-{1 + i % 4}" for i in range(11)]
    last = dict(database.execute("SELECT name, (extract(epoch FROM taken_at) * 1000000)::bigint FROM worker"
                                 " JOIN latest_position ON id = worker_id").fetchall())
    for view in simulator.views():
        assert view["workers"] and all(last[name] == row[0] for name, row in view["workers"].items() if name in last)
    timeline = simulator.timeline()
    assert timeline[-1]["taken"] == timeline[-1]["acked"] == 750 and max(line["online"] for line in timeline) == 50
    # A process that was late gives the line before and this one the same time.
    assert all(before["at_us"] <= line["at_us"] for before, line in zip(timeline, timeline[1:]))


def test_the_plan_does_not_depend_on_the_processes(stack, tmp_path):
    plans = []
    for processes in (1, 4):
        folder = tmp_path / str(processes)
        folder.mkdir()
        simulator = Simulator(folder, "--workers", 21, "--teams", 4, "--interval-ms", 300, "--duration", 2,
                              "--processes", processes, "--scenario", "spike", stack=stack)
        simulator.end()
        workers, fates = simulator.fates()
        first = min(fate[2] for fate in fates)
        plans.append((workers, sorted((fate[2] - first, fate[1]) for fate in fates)))
    assert plans[0][0] == plans[1][0] and len(plans[0][1]) == len(plans[1][1])
    for (one, worker), (other, again) in zip(*(plan[1] for plan in plans)):
        assert worker == again and abs(one - other) <= 1000


def test_ctrl_c_at_all_processes_ends_with_everything_acked(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 40, "--processes", 2, "--viewers", 4, stack=stack)
    wait_for(lambda: simulator.taken() > 40)
    os.killpg(simulator.process.pid, signal.SIGINT)  # as a terminal does
    report, _ = simulator.end()
    assert report["sent"] == report["acked"] > 40 and report["unacked"] == 0


def test_a_process_that_dies_is_told(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 40, "--processes", 3, stack=stack)
    wait_for(lambda: simulator.taken() > 40)
    children = simulator.children()
    os.kill(children[1], signal.SIGKILL)
    report, said = simulator.end(status=1)
    assert "process 2 of 3 was killed by signal 9" in said
    assert report["sent"] > 40


def test_nothing_is_left_of_a_simulator_that_was_killed(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 40, "--processes", 3, stack=stack, stderr=subprocess.DEVNULL)
    wait_for(lambda: simulator.taken() > 40)
    children = simulator.children()
    simulator.process.kill()
    simulator.process.wait()
    simulator.process.stdout.close()
    wait_for(lambda: not any(is_alive(pid) for pid in children))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_replay_may_have_several_processes(stack, database, tmp_path):
    traces = tmp_path / "traces.csv"
    fixes = [(1700000000 + second, f"w-{worker}", 47 + worker / 1000, 8 + second / 1000)
             for second in range(40) for worker in range(7)]
    traces.write_text("time,worker,latitude,longitude\n" +
                      "".join(f"{at},{name},{latitude:.5f},{longitude:.5f}\n" for at, name, latitude, longitude in fixes),
                      encoding="utf-8")
    for speed in (["--as-fast-as-acked"], ["--speed", 40]):
        simulator = Simulator(tmp_path, "--replay", traces, *speed, "--processes", 3, stack=stack)
        report, _ = simulator.end()
        assert report["acked"] == len(fixes)
        check_ledger(simulator, database, len(fixes))


# ---- source addresses ----


def local_addresses(port):
    """Of established connections to the port."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        lines = [line.split() for line in file.readlines()[1:]]
    return collections.Counter(line[1].split(":")[0] for line in lines
                               if line[3] == "01" and int(line[2].split(":")[1], 16) == port)


def test_connections_come_from_many_addresses(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 42, "--viewers", 6, "--source-addresses", 6, "--processes", 2,
                          stack=stack)
    wait_for(lambda: simulator.taken() > 0)
    addresses = local_addresses(stack.ports["devices"])
    simulator.process.send_signal(signal.SIGINT)
    simulator.end()
    assert {f"0{number}00017F" for number in range(1, 7)} <= set(addresses)
    assert all(addresses[f"0{number}00017F"] == 7 for number in range(1, 7))


# ---- several trackers, gateways, simulators ----


def connections(stack, tracker):
    with urllib.request.urlopen(f"{stack.own_url(tracker)}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return int(re.search(r"^muster_tracker_connections (\d+)", text, re.MULTILINE)[1])


def test_workers_go_round_the_trackers(stack, database, tmp_path):
    scenario = tmp_path / "scenario"
    scenario.write_text("cut 2 1\nseconds 6\n", encoding="utf-8")
    both = ",".join(map(stack.own_device_address, stack.trackers))
    simulator = Simulator(tmp_path, "--workers", 200, "--teams", 2, "--processes", 2, "--scenario", scenario, stack=stack,
                          connect=both)
    wait_for(lambda: simulator.taken() > 0)
    before = [connections(stack, tracker) for tracker in stack.trackers]
    assert sum(before) == 200 and min(before) > 60
    wait_for(lambda: [connections(stack, tracker) for tracker in stack.trackers] == before[::-1] != before)
    report, _ = simulator.end()
    assert report["reconnects"] == 200
    check_ledger(simulator, database, report["sent"])


def test_viewers_of_a_team_go_round_the_gateways(stack, tmp_path):
    both = [stack.own_url(gateway) for gateway in stack.gateways]
    simulator = Simulator(tmp_path, "--workers", 12, "--teams", 6, "--viewers", 18, "--view-protocol", "mixed",
                          "--duration", 1, stack=stack, http=",".join(both))
    simulator.end()
    served = collections.Counter(view["http"] for view in simulator.views())
    assert list(served.values()) == [9, 9]
    assert len({(view["http"], view["protocol"]) for view in simulator.views()}) == 6


def test_simulators_with_other_teams_share_nothing(stack, database, tmp_path):
    simulators = []
    for first in (1, 4):
        folder = tmp_path / str(first)
        folder.mkdir()
        simulators.append(Simulator(folder, "--workers", 30, "--teams", 3, "--first-team", first, "--viewers", 3,
                                    "--duration", 3, stack=stack, database_url=stack.database_url))
    for first, simulator in zip((1, 4), simulators):
        report, _ = simulator.end()
        assert report["recorded"] == report["acked"] == 90 and report["positions_delivered"] == 90
        teams = {f"team-{number}" for number in range(first, first + 3)}
        workers, _ = simulator.fates()
        assert {team for team, _ in workers.values()} == {view["team"] for view in simulator.views()} == teams
        assert all(name.startswith(team + "-") for team, name in workers.values())
    assert database.execute("SELECT count(*) FROM position_history").fetchone()[0] == 180


# ---- scenarios ----


def test_a_spike_is_five_times_the_rate_and_back(stack, database, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 40, "--scenario", "spike", "--interval-ms", 200, "--duration", 6,
                          "--processes", 2, stack=stack)
    report, _ = simulator.end()
    assert report["scenario"] == "spike"
    assert report["sent"] == report["acked"] == 200 * 14  # 1 + 3 + 5 + 3 + 2 seconds' worth
    workers, fates = simulator.fates()
    assert len(workers) == 40
    first = min(fate[2] for fate in fates)
    seconds = collections.Counter((fate[2] - first) // 1000000 for fate in fates)
    assert [round(seconds[i] / 200) for i in range(6)] == [1, 3, 5, 3, 1, 1]
    check_ledger(simulator, database, report["sent"])


def test_in_a_storm_all_come_back_and_nothing_is_lost(stack, database, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 60, "--scenario", "storm", "--interval-ms", 200, "--duration", 6,
                          "--processes", 2, stack=stack)
    report, _ = simulator.end()
    assert report["reconnects"] == 2 * 60 and report["connects"] == 3 * 60
    check_ledger(simulator, database, 60 * 30)


def test_churn_cuts_its_share(stack, database, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 40, "--scenario", "churn", "--interval-ms", 200, "--duration", 5,
                          stack=stack)
    report, _ = simulator.end()
    assert 8 <= report["reconnects"] <= 10  # 2 a second; the last may not be back
    check_ledger(simulator, database, 40 * 25)


def test_duplicates_are_recorded_once(stack, database, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 30, "--scenario", "duplicates", "--interval-ms", 100, "--duration", 4,
                          stack=stack)
    report, _ = simulator.end()
    # Reports are numbered on, so of 44 the 10th, 20th, 30th and 40th came twice.
    assert report["sent"] == 30 * 40 and report["resent"] == 30 * 4 and report["reconnects"] == 0
    check_ledger(simulator, database, 30 * 40)


def test_skew_fills_the_first_team(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 64, "--viewers", 16, "--teams", 4, "--scenario", "skew", "--duration",
                          2, stack=stack)
    report, _ = simulator.end()
    workers, _ = simulator.fates()
    assert collections.Counter(team for team, _ in workers.values()) == {
        "team-1": 32, "team-2": 16, "team-3": 8, "team-4": 8}
    assert len(set(workers.values())) == 64
    assert collections.Counter(view["team"] for view in simulator.views())["team-1"] == 8
    # Of each second of a team's positions, as often as it has viewers.
    assert report["to_viewers"] == 2 * (32 * 8 + 16 * 4 + 8 * 2 + 8 * 2)


def test_slow_viewers_skip_states_and_end_with_the_truth(stack, tmp_path):
    scenario = tmp_path / "scenario"
    scenario.write_text("slow 0.5  # every second viewer\n", encoding="utf-8")
    simulator = Simulator(tmp_path, "--workers", 150, "--teams", 1, "--viewers", 4, "--view-interval-ms", 0,
                          "--interval-ms", 100, "--scenario", scenario, "--duration", 8, stack=stack,
                          http=stack.own_url("gateway-1"))  # HAProxy would take megabytes for them
    report, _ = simulator.end()
    assert report["scenario"] == "file"
    assert report["to_viewers"] == 4 * report["sent"]
    assert report["positions_delivered"] + report["conflated"] == report["to_viewers"]
    assert report["conflated"] > report["to_viewers"] / 10
    views = simulator.views()
    assert all(view["workers"] == views[0]["workers"] for view in views)


def test_in_a_steady_load_every_position_is_delivered(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 40, "--teams", 2, "--viewers", 6, "--duration", 4, stack=stack)
    report, _ = simulator.end()
    assert report["to_viewers"] == 40 * 4 * 3
    assert report["positions_delivered"] == report["to_viewers"] and report["conflated"] == 0


# ---- recorded ----


def test_what_was_acked_is_recorded(stack, database, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 30, "--teams", 4, "--scenario", "skew", "--interval-ms", 100,
                          "--duration", 3, "--processes", 2, stack=stack, database_url=stack.database_url)
    report, _ = simulator.end()
    assert report["recorded"] == report["acked"] == 30 * 30
    # An older run of the same workers is not this one's.
    report, _ = Simulator(tmp_path, "--workers", 20, "--teams", 4, "--duration", 2, stack=stack,
                          database_url=stack.database_url).end()
    assert report["recorded"] == report["acked"] == 20 * 2


def test_who_names_no_database_is_not_told_what_was_recorded(stack, tmp_path):
    report, _ = Simulator(tmp_path, "--workers", 5, "--duration", 1, stack=stack).end()
    assert report["recorded"] is None and report["acked"] == 5


@pytest.fixture
def forgetful(database):
    """A history that takes nothing of one worker."""
    database.execute(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.worker_id = (SELECT id FROM worker WHERE name = 'team-1-walk-0001') THEN RETURN NULL; END IF;"
        " RETURN NEW; END $$")
    database.execute("CREATE TRIGGER forget BEFORE INSERT ON position_history FOR EACH ROW EXECUTE FUNCTION forget()")
    yield
    database.execute("DROP FUNCTION forget CASCADE")


@pytest.mark.usefixtures("forgetful")
def test_acked_but_not_recorded_is_a_broken_promise(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 8, "--teams", 2, "--duration", 3, stack=stack,
                          database_url=stack.database_url)
    report, said = simulator.end(status=1)
    assert report["acked"] == 24 and report["recorded"] == 21
    assert "broken: 3 acked positions are not in the history" in said


def test_a_database_that_does_not_say_is_a_broken_promise(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 5, "--duration", 1, stack=stack,
                          database_url="postgresql://127.0.0.1:9/none")
    report, said = simulator.end(status=1)
    assert report["recorded"] is None and report["acked"] == 5
    assert "Postgres: " in said and "broken: nobody says what was recorded" in said


# ---- what is shown ----


def test_the_status_line_is_of_all_processes(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 30, "--processes", 3, "--duration", 3, "--progress", stack=stack)
    _, said = simulator.end()
    assert any(line.startswith("play") and "workers 30/30" in line and " 30 pos/s" in line for line in said.splitlines())


# ---- exit status ----


def refusal(*arguments):
    done = subprocess.run([SIMULATOR, *map(str, arguments)], env=os.environ | {"MUSTER_WORKER_KEY": KEY},
                          capture_output=True, encoding="utf-8", timeout=20, check=False)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    return done.stderr


@pytest.mark.parametrize("arguments", [
    ["--speed", 2], ["--as-fast-as-acked"], ["--processes", 11, "--workers", 10], ["--processes", 0],
    ["--source-addresses", 2, "--connect", "192.0.2.1:7300"], ["--scenario", "tsunami"],
    ["--replay", "x.csv", "--scenario", "storm"], ["--replay", "x.csv", "--park-s", 1],
    ["--scenario", "skew", "--park-s", 5]])
def test_what_makes_no_sense_is_refused(arguments):
    refusal(*arguments)


def test_a_line_of_a_scenario_that_is_wrong_is_named(tmp_path):
    scenario = tmp_path / "scenario"
    scenario.write_text("# a day\nrate 0 1\nrate 10\n", encoding="utf-8")
    assert "line 3" in refusal("--scenario", scenario)


@pytest.mark.parametrize("flag", ["--report", "--ledger", "--timeline", "--view-states"])
def test_a_file_that_cannot_be_written_is_found_before_the_load(flag):
    assert "/nowhere/file" in refusal(flag, "/nowhere/file")


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="there is no /dev/full")
def test_a_disk_that_gets_full_is_told(stack, tmp_path):
    simulator = Simulator(tmp_path, "--workers", 10, "--duration", 1, "--processes", 2, "--ledger", "/dev/full",
                          stack=stack)
    _, said = simulator.end(status=1)
    assert "/dev/full" in said


def test_viewers_that_are_never_shown_anything_are_a_broken_promise(stack):
    done = subprocess.run([SIMULATOR, "--workers", "10", "--duration", "1", "--viewers", "3", "--connect",
                           stack.device_address, "--http", "http://127.0.0.1:1"], capture_output=True, encoding="utf-8",
                          env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, timeout=60, check=False)
    assert done.returncode == 1 and "3 viewers were never sent their view" in done.stderr


def test_workers_that_are_never_let_in_are_a_broken_promise(tmp_path):
    simulator = Simulator(tmp_path, "--workers", 3, "--connect", "127.0.0.1:1", "--processes", 3)
    time.sleep(0.5)
    simulator.process.send_signal(signal.SIGTERM)
    report, said = simulator.end(status=1)
    assert report["workers_never_let_in"] == 3 and "3 workers were never let in" in said
