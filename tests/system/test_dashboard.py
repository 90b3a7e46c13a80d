"""The dashboard in a headless Chromium, against the real proxy, flusher, Redis and MariaDB."""

import pathlib
import shutil

import pytest

from harness import invariants
from harness.browser import Browser
from harness.lab import HOLD
from harness.waiting import until

AXE = (pathlib.Path(__file__).resolve().parents[1]
       / "drivers" / "node_modules" / "axe-core" / "axe.min.js")
TOKEN = "s3cret-token-of-16+"


@pytest.fixture(scope="module")
def browser():
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("no chromium and chromedriver here; Debian: chromium, chromium-driver")
    one = Browser()
    yield one
    one.quit()


@pytest.fixture
def page(browser):
    """Checks at the end that the console has no error and no violation of the policy."""
    browser.console()
    yield browser
    assert browser.console() == []
    browser.driver.get("about:blank")


def sell(proxy, item="phone", stock=10, buyers=10):
    with proxy.client() as client:
        assert client("SECKILL.CREATE", item, "STOCK", stock, "LIMIT", 1) == "OK"
        for n in range(buyers):
            client("SECKILL.BUY", item, f"u{n}", "REQ", "r")


def number(text):
    return int(text.replace(",", ""))


def shows(page, element, text):
    until(lambda: page.text(element) == text, 10, f"#{element} shows {text}", 0.1)


def wait_row(page, cells):
    """But for what it sold a second, which takes a while to be nothing."""
    until(lambda: cells in [[row[0], *row[2:]] for row in page.rows("items")], 15,
          f"a row of the items: {cells}", 0.1)


def test_numbers_shown_are_those_of_status(lab, page):
    """Totals, refusals by reason, backlog, items with MySQL's part and the guard, state."""
    _, _, proxy, _ = lab.stack(flusher=HOLD)
    sell(proxy, stock=10, buyers=14)
    page.open(proxy.admin_port).wait_live()
    shows(page, "backlog-rows", "11")
    shows(page, "state", "HOLDING")
    wait_row(page, ["phone", "10", "10", "", "0", "–", "–", "OK"])
    status = proxy.get("/status").json()
    assert number(page.text("accepted-total")) == status["totals"]["accepted"] == 10
    assert number(page.text("refused-total")) == sum(status["totals"]["refused"].values()) == 4
    assert number(page.text("drained-total")) == status["totals"]["drained_records"] == 0
    assert number(page.text("backlog-rows")) == status["backlog"]["rows"]
    assert ["sold out", "0", "4"] in page.rows("refusals")
    assert page.text("reason") == status["state"]["reason"]
    assert page.text("guard") == "OK"
    [item] = status["top_items"]
    assert (item["stock"], item["sold"], item["remaining"]) == (10, 10, 0)
    lanes = [[lane["proxy_id"], lane["journal_id"], "this one"] for lane in status["lanes"]]
    assert page.rows("lanes") == lanes
    assert [row[0] for row in page.rows("triggers")] == [
        trigger["name"] for trigger in status["drain"]["triggers"]]
    assert proxy.post("/flush?wait_ms=10000").status == 200
    shows(page, "backlog-rows", "0")
    shows(page, "drained-total", "11")
    wait_row(page, ["phone", "10", "10", "", "0", "10", "0", "OK"])


def test_buttons_ask_first_and_then_do_it(lab, page):
    """Escape does nothing; pause and resume of intake and drain, and a flush, by keyboard too."""
    _, database, proxy, _ = lab.stack(flusher=HOLD)
    sell(proxy)
    page.open(proxy.admin_port).wait_live()
    page.click("#intake-button")
    assert page.visible("#confirm") and "Pause the intake" in page.text("confirm-title")
    page.click("#cancel")
    assert not page.visible("#confirm") and proxy.get("/status").json()["intake"] == "open"

    def press(button, state, field):
        page.click(button)
        # The focus stands on the button that does it.
        page.run("document.activeElement.dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        until(lambda: not page.visible("#confirm"), 10, "the dialog closes")
        shows(page, field, state)

    shows(page, "intake-button", "Pause intake")
    press("#intake-button", "PAUSED", "state")
    assert proxy.get("/status").json()["intake"] == "paused"
    press("#intake-button", "HOLDING", "state")
    assert proxy.get("/status").json()["intake"] == "open"
    press("#drain-button", "PAUSED", "drain-state")
    shows(page, "state", "PAUSED")
    press("#drain-button", "HOLDING", "drain-state")
    press("[data-action=flush]", "0", "backlog-rows")
    assert invariants.count_rows(database, "phone") == 10


def test_the_token_is_asked_for_and_kept(lab, page):
    """Without it the refusal is shown in the dialog; with it, the button works, twice."""
    path = lab.folder / "token"
    path.write_text(TOKEN + "\n")
    proxy = lab.proxy(lab.redis(), admin__token_file=str(path))
    page.open(proxy.admin_port).wait_live()
    page.click("#intake-button")
    page.click("#go")
    until(lambda: "admin token" in page.text("confirm-error"), 10, "the refusal")
    assert proxy.get("/status").json()["intake"] == "open"
    page.type("#token", TOKEN)
    page.click("#go")
    shows(page, "intake-button", "Resume intake")
    page.click("#intake-button")
    page.click("#go")
    shows(page, "intake-button", "Pause intake")
    # The browser itself notes the 401.
    assert all("401" in entry["message"] for entry in page.console())


def test_it_says_that_the_proxy_is_gone_and_goes_on_when_it_is_back(lab, page):
    _, _, proxy, _ = lab.stack(flusher=HOLD)
    sell(proxy)
    page.open(proxy.admin_port).wait_live()
    shows(page, "accepted-total", "10")
    proxy.kill()
    until(lambda: page.visible("#gone"), 15, "the page says that nobody answers", 0.1)
    assert "does not answer" in page.text("gone") and page.text("link-text") == "no answer"
    assert "does not answer" in page.text("announce")
    proxy.start()
    page.wait_live()
    until(lambda: not page.visible("#gone"), 10, "the notice goes")
    shows(page, "accepted-total", "0")
    sell(proxy, item="radio")
    shows(page, "accepted-total", "10")
    # The browser itself notes each attempt that failed.
    assert all("ERR_" in entry["message"] for entry in page.console())


def test_what_is_wrong_is_in_the_banner_and_the_guard(lab, page):
    """Redis gone: DEGRADED with the reason. MySQL refuses: dead letters with its words."""
    redis, database, proxy, flusher = lab.stack(flusher=HOLD)
    sell(proxy, item="phone", buyers=1)
    database.query("ALTER TABLE orders ADD CONSTRAINT nobody CHECK (user_id <> 'u0')")
    flusher.post("/flush")
    page.open(proxy.admin_port).wait_live()
    shows(page, "dead-count", "1")
    assert page.visible("#dead")
    assert "nobody" in page.rows("letters")[0][2]
    redis.kill()
    shows(page, "state", "DEGRADED")
    assert "nothing is sold" in page.text("reason")
    assert page.text("announce").startswith("DEGRADED: nothing is sold")
    redis.start()
    until(lambda: page.text("state") != "DEGRADED", 20, "the state is better")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing_serious(lab, page, look):
    """With a full page, in both themes and on a phone, and with the dialog open."""
    assert AXE.exists(), "run `npm ci` in tests/drivers (make test does)"
    _, _, proxy, _ = lab.stack(flusher=HOLD)
    sell(proxy)
    page.theme("dark" if look == "dark" else "light")
    page.size(390 if look == "phone" else 1440, 1000)
    page.open(proxy.admin_port).wait_live()
    until(lambda: len(page.rows("items")[0]) > 1, 15, "the items", 0.1)
    source = AXE.read_text()
    for opens in (False, True):
        if opens:
            page.click("#intake-button")
        found = [(each["id"], [node["html"] for node in each["nodes"]])
                 for each in page.axe(source) if each["impact"] in ("serious", "critical")]
        assert found == []
    width = page.run("return document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"the page is {width} pixels wider than the window"
    page.theme("light")
    page.size(1440, 1000)
