# SPDX-License-Identifier: LGPL-2.1-or-later
"""A headless Chromium, controlled by the DevTools protocol over a pipe (--remote-debugging-pipe): needs no library.

browser.py FILE.html#... PICTURE.png [WIDTH HEIGHT [light|dark [whole]]]     takes a picture of a page
"""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-headless-shell")


class BrowserError(Exception):
    pass


class Browser:
    """One page. `errors` has what went to the console as an error, exceptions and violations of the page's policy."""

    def __init__(self, limit=60):
        self.limit, self.buffer, self.number, self.session, self.errors = limit, b"", 0, None, []
        self.home = tempfile.mkdtemp(prefix="dicenet-browser-")
        to_browser, self.writer = os.pipe()
        self.reader, from_browser = os.pipe()
        # The browser reads from descriptor 3 and writes to 4.
        command = ["sh", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "sh", PROGRAM, "--headless", "--no-sandbox",
                   "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                   f"--user-data-dir={self.home}", "--remote-debugging-pipe", "about:blank"]  # fmt: skip
        self.process = subprocess.Popen(command, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, env={**os.environ, "HOME": self.home})  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)

    def __enter__(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        return self

    def __exit__(self, *_):
        os.close(self.writer)  # it ends when its pipe does
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.reader)
        shutil.rmtree(self.home, ignore_errors=True)

    def message(self, until):
        while b"\0" not in self.buffer:
            if not select.select([self.reader], [], [], max(0, until - time.monotonic()))[0]:
                raise BrowserError(f"no answer within {self.limit} s")
            part = os.read(self.reader, 1 << 20)
            if not part:
                raise BrowserError("the browser has ended")
            self.buffer += part
        text, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(text)
        self.note(message)
        return message

    def note(self, message):
        method, about = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(about["exceptionDetails"].get("exception", about["exceptionDetails"])))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.errors.append(about["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.errors.append(str(about["args"]))
        elif method == "Network.requestWillBeSent" and not about["request"]["url"].startswith(
            ("file:", "data:", "about:")
        ):
            self.errors.append("asks the network for " + about["request"]["url"][:200])

    def call(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.writer, json.dumps(request).encode() + b"\0")
        until = time.monotonic() + self.limit
        while True:
            message = self.message(until)
            if message.get("id") == self.number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']}")
                return message["result"]

    def look(self, width, height, scheme="light", media=""):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def open(self, path, after_hash=""):
        """Seconds until the page's script has run."""
        url = pathlib.Path(path).resolve().as_uri() + (f"#{after_hash}" if after_hash else "")
        self.call("Page.navigate", url="about:blank")
        begin = time.monotonic()
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")
        return time.monotonic() - begin

    def wait(self, condition):
        until = time.monotonic() + self.limit
        while not self.run(condition):
            if time.monotonic() > until:
                raise BrowserError(f"not true within {self.limit} s: {condition}")
            time.sleep(0.05)

    def run(self, expression):
        """The value of an expression in JavaScript."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def press(self, key, code=0, text=""):
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **extra)

    def picture(self, path, whole=False):
        data = self.call(
            "Page.captureScreenshot", captureBeyondViewport=whole, **({"clip": self.extent()} if whole else {})
        )
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

    def extent(self):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}


def main(page, picture, width="1280", height="900", scheme="light", whole=""):
    path, _, after_hash = page.partition("#")
    with Browser() as browser:
        browser.look(int(width), int(height), scheme)
        print(f"{browser.open(path, after_hash):.2f} s")
        browser.picture(picture, bool(whole))
        print("\n".join(browser.errors))


if __name__ == "__main__":
    main(*sys.argv[1:])
