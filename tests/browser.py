"""Chromium without a window, driven through a pipe: what a reader sees, clicks and presses on a page."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
FLAGS = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-background-networking", *WEBGL)
PATIENCE = 30.0  # seconds


class Browser:
    """One page; `complaints` are the errors and warnings of its console."""

    def __init__(self, profile: Path, width: int, height: int) -> None:
        if CHROMIUM is None:
            pytest.skip("no Chromium here: apt-get install chromium")
        ours, theirs = os.pipe(), os.pipe()  # from the browser, to the browser

        # Chromium reads 3 and writes 4, which a shell puts there; a function in the child would not go with threads.
        places = f'exec "$@" 3<&{theirs[0]} 4>&{ours[1]}'
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        ends = (theirs[0], ours[1])
        self._process = subprocess.Popen(
            ["bash", "-c", places, "bash", *command],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=ends,
        )
        os.close(theirs[0])
        os.close(ours[1])
        self._from, self._to = os.fdopen(ours[0], "rb"), os.fdopen(theirs[1], "wb")
        self._count, self._session, self._rest = 0, "", b""
        self.complaints: list[str] = []
        target = next(one for one in self._call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self._call(f"{domain}.enable")
        self.size(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._from.close()
        self._to.close()

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Size of the screen in pixels, and whether its reader likes it dark."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, on: bool) -> None:
        """Whether pages that are opened from now on may run scripts."""
        self._call("Emulation.setScriptExecutionDisabled", value=not on)

    def open(self, page: Path) -> None:
        """Open a file and wait until it is loaded."""
        self._call("Page.navigate", url=page.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, f"it never came true: {expression}"
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        text = {"text": key} if len(key) == 1 else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.ask(f"{element}.getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option, or set a slider, as a reader does: the page hears of it."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{element}.value = {json.dumps(value)}, {element}.dispatchEvent(new Event('input')), 0")
        self.ask(f"{element}.dispatchEvent(new Event('change')), 0")

    def picture(self, path: Path, whole: bool = False) -> Path:
        """Write what is seen, or the whole page, as PNG."""
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        box = self._call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": box["width"], "height": box["height"], "scale": 1}}

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._from.fileno(), 2**16)
            assert part, "the browser has ended"
            self._rest += part
        text, self._rest = self._rest.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(text)
        self._listen(answer)
        return answer

    def _listen(self, answer: dict[str, Any]) -> None:
        kind, content = answer.get("method"), answer.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(str(content["exceptionDetails"]))
        elif kind == "Runtime.consoleAPICalled" and content["type"] in ("error", "warning"):
            self.complaints.append(str(content["args"]))
        elif kind == "Log.entryAdded" and content["entry"]["level"] in ("error", "warning"):
            self.complaints.append(content["entry"]["text"])


@contextmanager
def browser(profile: Path, width: int = 1280, height: int = 900) -> Iterator[Browser]:
    """A browser that ends with the block."""
    with Browser(profile, width, height) as opened:
        yield opened
