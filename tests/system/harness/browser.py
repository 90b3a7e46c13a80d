"""A headless Chromium that looks at a page, by selenium and Debian's chromium-driver."""

import json

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from .waiting import until


class Browser:
    """One window. `width` × `height` are those of the page."""

    def __init__(self, width=1440, height=1000, dark=False):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        # no-sandbox: as root there is none. No request of the browser's own leaves the machine.
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-background-networking", "--disable-sync",
                     "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
                     "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.size(width, height)
        self.theme("dark" if dark else "light")

    def size(self, width, height):
        self._devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                       deviceScaleFactor=1, mobile=width < 600)

    def theme(self, name):
        """What the system prefers."""
        self._devtools("Emulation.setEmulatedMedia",
                       features=[{"name": "prefers-color-scheme", "value": name}])

    def _devtools(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def open(self, port):
        self.driver.get(f"http://127.0.0.1:{port}/")
        return self

    def text(self, element):
        return self.driver.find_element(By.ID, element).get_property("textContent")

    def attribute(self, element, name):
        return self.driver.find_element(By.ID, element).get_attribute(name)

    def click(self, selector):
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector, text):
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def visible(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector).is_displayed()

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script):
        self.driver.set_script_timeout(30)
        return self.driver.execute_async_script(script)

    def console(self):
        """What the page has told the console since the last time: errors, CSP violations."""
        return [entry for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING")]

    def rows(self, table):
        """The body of a table: a list of texts for each row."""
        return self.run("return [...document.getElementById(arguments[0]).tBodies[0].rows]"
                        ".map(row => [...row.cells].map(cell => cell.textContent))", table)

    def wait_live(self):
        until(lambda: self.text("link-text") == "live", 15, "the page follows the proxy", 0.1)
        return self

    def screenshot(self, path):
        self.driver.save_screenshot(str(path))

    def axe(self, source):
        """What axe-core, given as text, finds: its violations."""
        self.run(source)
        found = self.run_async("const done = arguments[0];"
                               "axe.run().then(all => done(JSON.stringify(all.violations)))")
        return json.loads(found)

    def quit(self):
        self.driver.quit()
