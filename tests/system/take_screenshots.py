#!/usr/bin/python3
"""Makes docs/images/dashboard-*.png anew: a real sale, seen by Chromium. Not a test.

    /usr/bin/python3 tests/system/take_screenshots.py [FOLDER]
"""

import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.browser import Browser  # noqa: E402
from harness.lab import HOLD, Lab, Shared  # noqa: E402

IMAGES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "images"
ITEMS = {"phone-15-black": 90_000, "headphones": 25_000, "console-bundle": 900, "sneaker-42": 7_000,
         "watch-steel": 8_500}


class Shop:
    """Clients that buy, about `rate` purchases a second, until it is stopped."""

    def __init__(self, proxy, rate):
        self.proxy, self.rate, self.ended = proxy, rate, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        draw, serial = random.Random(7), 0
        with self.proxy.client() as client:
            while not self.ended:
                commands = []
                for _ in range(int(self.rate * 0.05 * draw.uniform(0.7, 1.3))):
                    serial += 1
                    item = draw.choices(list(ITEMS), [60, 25, 20, 10, 5])[0]
                    user = f"u{draw.randrange(90_000)}"
                    commands.append(("SECKILL.BUY", item, user, "REQ", f"r{serial}"))
                client.pipeline(commands)
                time.sleep(0.05)

    def stop(self):
        self.ended = True
        self.thread.join()


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    shared = Shared()
    lab = Lab(shared)
    browsers = []
    try:
        _, _, proxy, flusher = lab.stack(flusher={**HOLD, "trigger__schedule": ["30 3 * * *"]})
        with proxy.client() as client:
            for item, stock in ITEMS.items():
                client("SECKILL.CREATE", item, "STOCK", stock, "LIMIT", 4)
        shop = Shop(proxy, 900)
        time.sleep(40)
        flusher.post("/flush")
        time.sleep(25)
        for name, width, height in (("light", 1440, 960), ("dark", 1440, 960),
                                    ("phone", 390, 1280)):
            browsers.append(Browser(width, height, dark=name == "dark"))
            browsers[-1].open(proxy.admin_port).wait_live()
            time.sleep(12)  # until the start of the browser has left the latencies
            browsers[-1].screenshot(folder / f"dashboard-{name}.png")
            browsers.pop().quit()
        shop.stop()
    finally:
        for browser in browsers:
            browser.quit()
        lab.end()
        lab.remove()
        shared.end()


if __name__ == "__main__":
    main()
