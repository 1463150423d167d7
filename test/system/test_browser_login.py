"""Browsers: what every answer tells them, whose pages may do something, the cookies, and the page itself in headless
Chromium: signing in and out, and share links from making one to its end."""
import base64
import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import time
import urllib.parse

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from browsers import NO_STYLE, Page, browser  # noqa: F401 - browser is a fixture
from views import PROGRAMS, SocketView, Stack, error_code, fetch, wait_for

TEAM, WORKERS = "team-1", 4
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
           "Sec-WebSocket-Key": base64.b64encode(random.randbytes(16)).decode(), "Sec-WebSocket-Protocol": "muster.v1.json"}
TRACK = "from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    here = Stack(tmp_path_factory.mktemp("login"), PROGRAMS, trackers=1, gateways=2, options={"gateway": ["--style-url", NO_STYLE]})
    here.up()
    yield here
    assert here.down() == [], "programs had to be killed"


@pytest.fixture(scope="module")
def simulator(stack):
    command = [PROGRAMS / "muster-simulator", "--workers", str(WORKERS), "--teams", "1", "--interval-ms", "1000",
               "--connect", stack.device_address]
    with open(stack.run / "log" / "simulator.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=os.environ | {"MUSTER_WORKER_KEY": stack.key}, stdout=log, stderr=log)
    admin = stack.mint("--role", "admin", "--subject", "boss")
    wait_for(lambda: [t["online"] for t in json.loads(fetch(f"{stack.http_url}/api/v1/teams", admin)[2]).get("teams", [])] == [WORKERS], 20)
    yield process
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0


@pytest.fixture(scope="module")
def manager(stack):
    return stack.mint("--team", TEAM, "--subject", "anna")


def ask(stack, where, path, method="GET", headers=None):
    """(status, headers), of a stream also; where: https and http are the edge's, gateway is a gateway's own port."""
    url = {"https": stack.https_url, "http": stack.http_url, "gateway": stack.own_url("gateway-1")}[where]
    address = urllib.parse.urlparse(url)
    if where == "https":
        context = ssl.create_default_context(cafile=str(stack.authority))
        connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.headers


def origin(stack, where):
    return {"https": stack.https_url, "http": stack.http_url, "gateway": stack.own_url("gateway-1")}[where]


# ---- what every answer says ----

ROUTES = [
    ("GET", "/", {}, 200), ("GET", "/app.mjs", {}, 200), ("GET", "/", {"If-None-Match": "*"}, 304), ("GET", "/nothing", {}, 404),
    ("GET", "/api/v1/config", {}, 200), ("GET", "/healthz", {}, 200), ("GET", "/readyz", {}, 200), ("DELETE", "/", {}, 405),
    ("GET", "/api/v1/teams", {}, 401), ("GET", "/api/v1/teams", {"token": True}, 200), ("HEAD", "/api/v1/teams", {"token": True}, 200),
    ("GET", "/api/v1/session", {"token": True}, 200), ("POST", "/api/v1/session", {"token": True}, 204),
    ("DELETE", "/api/v1/session", {}, 204), ("GET", "/api/v1/cluster", {"token": True}, 200),
    ("GET", f"/api/v1/teams/{TEAM}/positions", {"token": True}, 200), ("GET", f"/api/v1/teams/{TEAM}/stream", {"token": True}, 200),
    ("GET", f"/api/v1/teams/{TEAM}/socket", {"token": True, **UPGRADE}, 101),
    ("GET", f"/api/v1/teams/{TEAM}/socket", {"token": True}, 426), ("GET", f"/api/v1/teams/{TEAM}/track?{TRACK}", {"token": True}, 200),
    ("GET", f"/api/v1/teams/{TEAM}/track", {"token": True}, 400), ("GET", "/api/v1/teams/other/positions", {"token": True}, 403),
    ("GET", f"/api/v1/teams/{TEAM}/shares", {"token": True}, 200), ("POST", f"/api/v1/teams/{TEAM}/shares?expires_in_s=10", {"token": True}, 201),
    ("DELETE", f"/api/v1/teams/{TEAM}/shares/none", {"token": True}, 404), ("GET", "/api/v1/shared/teams", {}, 401),
    ("POST", f"/api/v1/teams/{TEAM}/shares", {"token": True, "Origin": "https://evil.example"}, 403),
]


@pytest.mark.parametrize("where", ["https", "http", "gateway"])
@pytest.mark.parametrize("method, path, headers, status", ROUTES)
def test_every_answer_has_safe_headers(stack, simulator, manager, where, method, path, headers, status):
    headers = dict(headers)
    if headers.pop("token", False):
        headers["Authorization"] = f"Bearer {manager}"
    # A name of its own, because that of this machine is not to be bound to TLS.
    headers = {"Host": "map.example", "Origin": f"{'https' if where == 'https' else 'http'}://map.example"} | headers
    got, answer = ask(stack, where, path, method, headers)
    assert got == status
    assert {name: answer[name] for name in SAFE} == SAFE
    assert "geolocation=()" in answer["Permissions-Policy"]
    page = status in (200, 304) and path in ("/", "/app.mjs")
    policy = answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy if page else policy == "default-src 'none'; frame-ancestors 'none'"
    assert ("script-src 'self';" in policy) == page
    assert answer["Strict-Transport-Security"] == ("max-age=31536000" if where == "https" else None)
    if status != 101:
        assert answer["Cache-Control"] == ("no-cache" if page else "no-store")
    assert not [name for name in answer if name.lower().startswith("access-control-")]
    for name in [*SAFE, "Content-Security-Policy", "Cache-Control", "Strict-Transport-Security"]:
        assert len(answer.get_all(name, [])) <= 1


@pytest.mark.parametrize("path", ["/", f"/api/v1/teams/{TEAM}/stream", f"/api/v1/teams/{TEAM}/track?{TRACK}", f"/api/v1/teams/{TEAM}/socket"])
def test_browsers_are_not_bound_to_tls_on_this_machine(stack, simulator, manager, path):
    headers = {"Authorization": f"Bearer {manager}"} | (UPGRADE if path.endswith("socket") else {})
    for host, bound in (("localhost:8443", None), ("localhost", None), ("map.example", "max-age=31536000")):
        status, answer = ask(stack, "https", path, headers=headers | {"Host": host})
        assert status in (101, 200) and answer["Strict-Transport-Security"] == bound


def test_what_no_route_answers_has_safe_headers(stack):
    """What the gateway refuses before it knows a path."""
    _, answer = ask(stack, "gateway", "/", headers={"X-Long": "x" * 20000})
    assert {name: answer[name] for name in SAFE} == SAFE
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_no_page_of_another_site_may_read_anything(stack, manager):
    """A preflight (OPTIONS) is refused, so the browser sends nothing that needs one."""
    for path in ("/api/v1/teams", "/api/v1/session", f"/api/v1/teams/{TEAM}/shares"):
        status, answer = ask(stack, "gateway", path, "OPTIONS", {
            "Origin": "https://evil.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"})
        assert status == 405 and not [name for name in answer if name.lower().startswith("access-control-")]


# ---- whose pages may do something ----

FOREIGN = ["https://evil.example", "null", "https://localhost.evil.example", "OTHER-PORT", "OTHER-SCHEME"]


@pytest.mark.parametrize("where", ["https", "http"])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_pages_of_other_sites_change_nothing_and_open_no_socket(stack, simulator, manager, where, foreign):
    own = origin(stack, where)
    foreign = {"OTHER-PORT": own.rsplit(":", 1)[0] + ":1",
               "OTHER-SCHEME": own.replace("https://", "http://") if where == "https" else "ftp://" + own.split("://")[1]}.get(foreign, foreign)
    cookie = {"Cookie": f"muster_token={manager}"}
    tries = [("POST", f"/api/v1/teams/{TEAM}/shares?expires_in_s=10", cookie, 201), ("DELETE", f"/api/v1/teams/{TEAM}/shares/none", cookie, 404),
             ("POST", "/api/v1/session", {"Authorization": f"Bearer {manager}"}, 204), ("DELETE", "/api/v1/session", cookie, 204),
             ("GET", f"/api/v1/teams/{TEAM}/socket", cookie | UPGRADE, 101)]
    for method, path, headers, good in tries:
        assert ask(stack, where, path, method, headers | {"Origin": foreign})[0] == 403
        assert ask(stack, where, path, method, headers | {"Origin": own})[0] == good


# ---- cookies ----

@pytest.mark.parametrize("path, name, scope", [("/api/v1/session", "muster_token", "/"), ("/api/v1/shared/session", "muster_share", "/api/v1/shared/")])
@pytest.mark.parametrize("where", ["https", "http"])
def test_a_cookie_is_for_this_site_only_and_not_for_scripts(stack, simulator, manager, where, path, name, scope):
    token = manager
    if "shared" in path:
        token = json.loads(fetch(f"{stack.http_url}/api/v1/teams/{TEAM}/shares", manager, "POST")[2])["url"].removeprefix("/#share=")
    status, answer = ask(stack, where, path, "POST", {"Authorization": f"Bearer {token}"})
    assert status == 204
    value, *rest = answer["Set-Cookie"].split("; ")
    assert value == f"{name}={token}"
    assert {f"Path={scope}", "HttpOnly", "SameSite=Strict"} <= set(rest)
    assert ("Secure" in rest) == (where == "https")
    age, = (int(part.removeprefix("Max-Age=")) for part in rest if part.startswith("Max-Age="))
    assert 86400 - 60 <= age <= 86400


def test_only_the_edge_says_that_a_client_came_by_tls(stack, manager):
    claims = {"Authorization": f"Bearer {manager}", "X-Forwarded-Proto": "https"}
    for where in ("gateway", "http"):
        _, answer = ask(stack, where, "/api/v1/session", "POST", claims)
        assert "Secure" not in answer["Set-Cookie"] and answer["Strict-Transport-Security"] is None


# ---- the page ----

@pytest.fixture
def page(browser, stack, simulator):
    """A browser that was never here; afterwards the page must not have logged an error, as one that breaks the policy is."""
    while len(browser.window_handles) > 1:
        browser.switch_to.window(browser.window_handles[-1])
        browser.close()
    browser.switch_to.window(browser.window_handles[0])
    browser.get(f"{stack.http_url}/icon.svg")
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.get_log("browser")
    yield LoginPage(browser, stack)
    assert LoginPage(browser, stack).errors() == []


class LoginPage(Page):
    def __init__(self, browser, stack):
        super().__init__(browser)
        self.url = stack.http_url

    def open(self, fragment=""):
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}/{fragment}")

    def find(self, name):
        return self.browser.find_element(By.ID, name)

    def await_text(self, name, wanted):
        return wait_for(lambda: wanted in self.text(name))

    def live(self, total=WORKERS, seconds=20):
        return self.await_state(lambda s: s["connection"] == "live" and s["total"] == total, seconds)

    def links(self, label):
        """Those in the list of the dialog that have this label, at one moment."""
        rows = self.browser.execute_script(
            "return [...document.querySelectorAll('#share-list li')].map((row) => "
            "({id: row.dataset.id, text: row.textContent, address: row.querySelector('input').value}))")
        return [row for row in rows if label in row["text"]]

    def signs_in(self):
        return wait_for(lambda: self.find("sign-in").is_displayed())

    def address(self):
        return self.browser.current_url.removeprefix(self.url)


def test_a_token_is_pasted_once_and_the_session_stays_until_signing_out(page, manager):
    page.open()
    page.signs_in()
    page.find("token").send_keys(manager)
    page.find("sign-in-submit").click()
    assert page.live()["role"] == "manager"
    assert page.browser.execute_script("return document.cookie") == ""  # HttpOnly
    cookie, = page.browser.get_cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("muster_token", True, "Strict")
    page.browser.refresh()
    page.live()
    page.find("sign-out").click()
    page.signs_in()
    assert page.browser.get_cookies() == []
    page.browser.refresh()
    page.signs_in()
    assert page.state()["workers"] == {}


def test_the_token_of_a_link_leaves_the_address_and_the_history(page, manager):
    page.open(f"#token={manager}&team={TEAM}")
    page.live()
    assert page.address() == f"/#team={TEAM}"
    entries = page.browser.execute_cdp_cmd("Page.getNavigationHistory", {})["entries"]
    assert manager not in entries[-1]["url"]


def test_a_link_that_is_no_good_is_explained(page, stack):
    expired = stack.mint("--team", TEAM, "--subject", "anna", "--days", "0.00001")
    wait_for(lambda: fetch(f"{stack.http_url}/api/v1/teams", expired)[0] == 401)
    page.open(f"#share={expired}")
    page.signs_in()
    page.await_text("sign-in-error", "This link does not work: the token has expired")
    assert page.address() == "/"


def make_link(page, worker=None):
    """Makes a link in the dialog, and returns its address."""
    page.find("share").click()
    page.await_state(lambda _: page.find("share-dialog").is_displayed())
    assert Select(page.find("share-what")).first_selected_option.text == (f"Only {worker}" if worker else f"All of {TEAM}")
    page.find("share-label").send_keys(f"for {worker or 'all'}")
    Select(page.find("share-lasts")).select_by_value("3600")
    page.find("share-make").click()
    address = wait_for(lambda: page.links(f"for {worker or 'all'}"))[0]["address"]
    assert address.startswith(f"{page.url}/#share=")
    page.find("share-close").click()
    return address


def test_a_manager_shares_one_worker_and_revokes_it_in_the_page(page, manager):
    page.open(f"#token={manager}&team={TEAM}")
    names = sorted(page.live()["workers"])
    shown = names[1]
    page.find("find").send_keys(shown)
    wait_for(lambda: page.browser.find_elements(By.CSS_SELECTOR, "#found li"))[0].click()
    page.await_state(lambda s: s["selected"] == shown)
    address = make_link(page, shown)
    own = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.browser.get(address)  # opens without asking for anything
    state = page.live(total=1)
    assert list(state["workers"]) == [shown] and state["role"] == "viewer"
    assert page.text("shared").startswith(f"{shown}, shared with you until ")
    assert not page.find("share").is_displayed() and not page.find("team").is_displayed()
    assert page.address() == f"/#shared=1&team={TEAM}"
    text = page.browser.execute_script("return document.documentElement.outerHTML")
    assert [name for name in names if name in text] == [shown]
    page.browser.refresh()
    page.live(total=1)
    shared = page.browser.current_window_handle
    page.browser.switch_to.window(own)  # the manager's session is as it was
    assert page.state()["role"] == "manager" and page.live()["total"] == WORKERS
    page.find("share").click()
    link = wait_for(lambda: page.links(f"for {shown}"))[0]
    page.browser.find_element(By.CSS_SELECTOR, f'li[data-id="{link["id"]}"] > button').click()
    began = time.monotonic()
    page.browser.switch_to.window(shared)
    wait_for(lambda: page.find("sign-in").is_displayed())
    assert time.monotonic() - began < 8  # 5 for the stream to end, and then the page asks why
    page.await_text("sign-in-error", "This link shows nothing any more")
    assert page.state()["workers"] == {} and page.address() == "/"
    page.browser.switch_to.window(own)
    wait_for(lambda: not page.links(f"for {shown}"))


def test_a_link_that_is_followed_in_an_open_page_takes_its_place(page, manager):
    page.open(f"#token={manager}&team={TEAM}")
    shown = sorted(page.live()["workers"])[0]
    page.find("find").send_keys(shown)
    wait_for(lambda: page.browser.find_elements(By.CSS_SELECTOR, "#found li"))[0].click()
    page.await_state(lambda s: s["selected"] == shown)
    address = make_link(page, shown)
    for _ in range(5):  # also while the page still asks whose session it has
        page.open()
        page.browser.get(address)
        page.await_state(lambda s: s["role"] == "viewer" and s["connection"] == "live" and list(s["workers"]) == [shown])
        time.sleep(0.3)  # what was under way has come
        assert page.state()["role"] == "viewer" and page.find("shared").is_displayed()
        assert not page.find("share").is_displayed() and not page.find("team").is_displayed()


def test_a_link_to_the_team_shows_it_to_somebody_without_a_session(page, manager):
    page.open(f"#token={manager}&team={TEAM}")
    page.live()
    address = make_link(page)
    page.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    page.browser.get("about:blank")
    page.browser.get(address)
    assert page.live()["role"] == "viewer"
    assert page.text("shared").startswith(f"{TEAM}, shared with you until ")
    page.find("sign-out").click()
    page.signs_in()
    page.await_text("sign-in-error", "You have stopped watching")
    assert page.browser.get_cookies() == []


def test_a_page_of_another_site_can_open_no_socket_with_the_cookie(stack, simulator, manager):
    """As a browser would, if it sent the cookie."""
    with pytest.raises(AssertionError, match="403"):
        class Foreign(SocketView):
            def _headers(self):
                return super()._headers() + f"Cookie: muster_token={manager}\r\nOrigin: https://evil.example\r\n"
        Foreign(stack.own_url("gateway-1"), TEAM, manager)
    answer = fetch(f"{stack.http_url}/api/v1/teams/{TEAM}/shares", method="POST",
                   headers={"Cookie": f"muster_token={manager}", "Origin": "https://evil.example"})
    assert error_code(answer) == "foreign_origin"
