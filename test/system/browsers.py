"""Headless Chromium, and the map page in it: what it shows is read from window.muster.state() (gateway/web/app.mjs) and
from its visible words."""
import time

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

# Nothing listens there: the base map style cannot be loaded, whether or not this machine has internet.
NO_STYLE = "http://127.0.0.1:9/style.json"
CHROMIUM = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1280,800",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in CHROMIUM:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


class Page:
    def __init__(self, browser):
        self.browser = browser

    def state(self):
        return self.browser.execute_script("return window.muster ? window.muster.state() : null")

    def text(self, name):
        return self.browser.find_element(By.ID, name).text

    def await_state(self, holds, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            state = self.state()
            if state and holds(state):
                return state
            assert time.monotonic() < deadline, f"the page came to show {summary(state)}"
            time.sleep(0.05)

    def positions(self):
        """Displayed positions by worker, in degrees."""
        return {name: worker["position"] for name, worker in self.state()["workers"].items()}

    def errors(self):
        """What the console says is wrong. A browser logs every request that fails, and some of those are meant to."""
        severe = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        return [message for message in severe if "Failed to load resource" not in message]


def summary(state):
    return state and {name: value for name, value in state.items() if name != "workers"}
