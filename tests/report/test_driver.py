"""The page as it is, under a driver: its own log, what it asks for, and the keyboard alone."""

import json
import shutil
from itertools import pairwise

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from trueward.report import report

DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(DRIVER is None, reason="no chromedriver is installed")


@pytest.fixture(scope="module")
def browser(mixed, tmp_path_factory):
    page = report([mixed["eval"], mixed["study"]], tmp_path_factory.mktemp("d") / "r.html").page
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.get(page.as_uri())
    yield driver
    driver.quit()


def test_it_logs_nothing_and_asks_for_the_page_alone(browser):
    assert browser.get_log("browser") == []
    events = [json.loads(row["message"])["message"] for row in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"].endswith("BeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [browser.current_url]
    assert browser.find_elements(By.CSS_SELECTOR, ".plot .trace")


def test_the_keyboard_reaches_and_sorts_a_table(browser):
    head = browser.find_element(By.CSS_SELECTOR, "table thead tr").find_elements(By.TAG_NAME, "th")
    button = head[-1].find_element(By.TAG_NAME, "button")
    browser.execute_script("arguments[0].focus()", head[-2].find_element(By.TAG_NAME, "button"))
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element == button
    button.send_keys(Keys.ENTER)
    assert head[-1].get_attribute("aria-sort") == "descending"
    button.send_keys(Keys.SPACE)
    assert head[-1].get_attribute("aria-sort") == "ascending"


def test_every_plot_has_a_name_and_headings_do_not_skip(browser):
    plots = browser.find_elements(By.CSS_SELECTOR, ".plot")
    assert all(plot.accessible_name for plot in plots)
    levels = [int(h.tag_name[1]) for h in browser.find_elements(By.CSS_SELECTOR, "h1,h2,h3,h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
