"""The map page in headless Chromium, against a real stack with simulated workers."""
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy" / "local"))
from browsers import NO_STYLE, Page, browser  # noqa: E402, F401 - browser is a fixture
from stack import Stack  # noqa: E402

PROGRAMS = Path(os.environ.get("MUSTER_BUILD", ROOT / "build")) / "bin"
WORKERS, TEAMS, INTERVAL_MS = 40, 2, 1000
PER_TEAM = WORKERS // TEAMS
GATEWAYS = ("gateway-1", "gateway-2")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    here = Stack(tmp_path_factory.mktemp("map"), PROGRAMS, trackers=1, gateways=len(GATEWAYS),
                 options={"gateway": ["--style-url", NO_STYLE]})
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"


@pytest.fixture(scope="module")
def simulator(stack):
    command = [PROGRAMS / "muster-simulator", "--workers", str(WORKERS), "--teams", str(TEAMS),
               "--interval-ms", str(INTERVAL_MS), "--connect", stack.device_address]
    with open(stack.run / "log" / "simulator.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, stdout=log, stderr=log)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


@pytest.fixture
def page(browser, stack, simulator):
    """The page as a manager's link opens it, live and with all workers; afterwards it must not have logged an error."""
    await_positions(stack)
    token = stack.mint("--role", "manager", "--teams", "team-1,team-2", "--subject", "manager-1")
    browser.get("about:blank")
    browser.delete_all_cookies()
    browser.get_log("browser")
    browser.get(f"{stack.http_url}/#token={token}&team=team-1")
    page = Page(browser)
    page.await_state(lambda state: state["connection"] == "live" and state["online"] == PER_TEAM)
    yield page
    assert page.errors() == []


def ask(stack, path):
    token = stack.mint("--role", "manager", "--teams", "team-1,team-2", "--subject", "manager-1")
    request = urllib.request.Request(f"{stack.http_url}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)


def await_positions(stack, seconds=20):
    """Until every simulated worker has sent a position."""
    deadline = time.monotonic() + seconds
    for team in (f"team-{n + 1}" for n in range(TEAMS)):
        while sum(bool(worker["geometry"]) for worker in ask(stack, f"teams/{team}/positions")["features"]) < PER_TEAM:
            assert time.monotonic() < deadline, f"not every worker of {team} has sent a position"
            time.sleep(0.1)


def test_a_link_opens_the_whole_team_and_its_token_leaves_the_address(page):
    state = page.state()
    assert (state["team"], state["total"]) == ("team-1", PER_TEAM)
    assert all(position for position in page.positions().values())
    assert page.browser.current_url.endswith("/#team=team-1")
    assert page.browser.execute_script("return document.cookie") == "", "the session must be out of scripts' reach"


def test_without_its_style_the_page_shows_the_land_outline_and_says_so(page):
    page.await_state(lambda state: state["baseMap"] == "land")
    assert page.text("note") == "Offline base map: land outline"


def test_markers_move_also_between_fixes(page):
    seen = {name: set() for name in page.positions()}
    for _ in range(20):
        for name, position in page.positions().items():
            seen[name].add(tuple(position))
        time.sleep(0.1)
    moving = [name for name, places in seen.items() if len(places) > 1]
    # Some workers stand at a door or a light at any time, never most of them.
    assert len(moving) > PER_TEAM / 2
    fixes = 2 * 1000 / INTERVAL_MS + 2
    assert max(len(places) for places in seen.values()) > fixes, "markers jump from fix to fix"


def test_the_online_count_is_the_api_s(page, stack):
    counted = next(team for team in ask(stack, "teams")["teams"] if team["team"] == "team-1")
    assert page.text("online") == str(counted["online"]) == str(PER_TEAM)
    assert page.text("total") == f"of {counted['workers']} online"


def test_choosing_a_team_shows_that_one_and_the_back_button_returns(page):
    before = set(page.positions())
    Select(page.browser.find_element(By.ID, "team")).select_by_value("team-2")
    state = page.await_state(lambda state: state["team"] == "team-2" and state["online"] == PER_TEAM)
    assert not before & set(state["workers"])
    assert page.browser.current_url.endswith("/#team=team-2")
    page.browser.back()
    page.await_state(lambda state: state["team"] == "team-1" and set(state["workers"]) == before)


def test_a_worker_is_found_and_its_card_opened_by_keyboard(page):
    name = sorted(page.positions())[3]
    ActionChains(page.browser).click(page.browser.find_element(By.ID, "find")).send_keys(name, Keys.ENTER).perform()
    assert page.state()["selected"] == name
    assert page.text("card-name") == name
    assert page.text("card-status") == "Online"
    facts = page.text("card-facts")
    assert all(word in facts for word in ("km/h", "s ago", "tracker-1", "%"))
    ActionChains(page.browser).send_keys(Keys.ESCAPE).perform()
    assert page.state()["selected"] is None


def test_a_click_on_a_marker_opens_its_card(page):
    name = next(name for name in sorted(page.positions()) if "walk" in name)
    find = page.browser.find_element(By.ID, "find")
    ActionChains(page.browser).click(find).send_keys(name, Keys.ENTER).perform()
    x, y = page.browser.execute_script(
        "const box = (id) => document.getElementById(id).getBoundingClientRect();"
        "return [(box('panel').right + box('card').left) / 2, innerHeight / 2]")
    time.sleep(1)  # the camera has come to rest, with the worker in the middle between panel and card
    ActionChains(page.browser).send_keys(Keys.ESCAPE).perform()
    assert page.state()["selected"] is None
    canvas = page.browser.find_element(By.CSS_SELECTOR, ".maplibregl-canvas")
    right, down = int(x - canvas.size["width"] / 2), int(y - canvas.size["height"] / 2)
    ActionChains(page.browser).move_to_element_with_offset(canvas, right, down).click().perform()
    page.await_state(lambda state: state["selected"] == name, seconds=3)
    assert page.browser.find_element(By.CSS_SELECTOR, ".tooltip").text == name


def test_signing_out_leaves_nothing_of_the_team_on_the_page(page):
    page.browser.find_element(By.ID, "sign-out").click()
    page.await_state(lambda state: state["team"] is None and not state["workers"])
    assert page.browser.find_element(By.ID, "sign-in").is_displayed()
    page.browser.refresh()
    page.await_state(lambda state: state["team"] is None)
    assert page.browser.find_element(By.ID, "token").is_displayed()


def test_a_wrong_token_is_explained_in_the_form(page):
    page.browser.find_element(By.ID, "sign-out").click()
    page.browser.find_element(By.ID, "token").send_keys("nonsense", Keys.ENTER)
    deadline = time.monotonic() + 5
    while "not accepted" not in page.text("sign-in-error"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_view_outlives_the_gateway_that_served_it(page, stack):
    """Badge when it is gone, exact state again through the other one, without a reload."""
    page.browser.execute_script("window.loadedOnce = true")
    for name in GATEWAYS:
        stack.kill(name)
    page.await_state(lambda state: state["connection"] != "live", seconds=2)
    assert "Reconnecting" in page.text("badge-text")
    assert page.text("as-of").startswith("Positions as of")
    stack.restart(GATEWAYS[1])
    page.await_state(lambda state: state["connection"] == "live" and state["online"] == PER_TEAM, seconds=30)
    assert page.text("badge-text") == "Live"
    assert page.browser.execute_script("return window.loadedOnce") is True
    before = page.positions()
    page.await_state(lambda state: any(state["workers"][name]["position"] != before[name] for name in before))
    stack.restart(GATEWAYS[0])


def test_workers_that_fall_silent_are_shown_stale_until_they_are_heard_again(page, simulator):
    """Stopped, the simulator keeps its connections, as devices in a tunnel would."""
    simulator.send_signal(signal.SIGSTOP)
    try:
        state = page.await_state(lambda state: state["stale"] == PER_TEAM, seconds=25)
        assert state["online"] == 0 and all(worker["status"] == "stale" for worker in state["workers"].values())
        assert page.text("total") == f"of {PER_TEAM} online, {PER_TEAM} stale"
        name = sorted(state["workers"])[0]
        ActionChains(page.browser).click(page.browser.find_element(By.ID, "find")).send_keys(name, Keys.ENTER).perform()
        assert page.text("card-status") == "Stale"
    finally:
        simulator.send_signal(signal.SIGCONT)
    page.await_state(lambda state: state["online"] == PER_TEAM and state["stale"] == 0)
    ActionChains(page.browser).send_keys(Keys.ESCAPE).perform()


def test_workers_that_leave_are_shown_offline(page, simulator):
    """The last test: it ends the simulator."""
    simulator.send_signal(signal.SIGINT)
    state = page.await_state(lambda state: state["online"] == 0)
    assert state["total"] == PER_TEAM
    assert all(worker["position"] and worker["status"] == "offline" for worker in state["workers"].values())
    assert page.text("online") == "0"
