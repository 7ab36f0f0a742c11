"""A person in front of /ui: a real browser, and what it has complained about."""

import base64
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
_FAILED_REQUEST = "Failed to load resource"  # the console's line for every status over 399
_WAIT_MS = 60_000  # machines that run tests are busy
_WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# Files that come by drop or paste, which a driver cannot do from outside.
_GIVE = """([kind, name, text]) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.getElementById("stage").dispatchEvent(event);
}"""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """A tab at /ui of the server at `url`; complaints: errors of its console, foreign hosts."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(_WAIT_MS)
        self.page.add_init_script(_WATCH_SHIFTS)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self._hear(line.type, line.text))
        self.page.on("request", lambda request: self._see(request.url))

    def open(self) -> "Visitor":
        self.page.goto(f"{self.url}/ui")
        return self

    def connected(self) -> None:
        self.has("#facts", " on cpu")

    def choose(self, content: bytes, name: str = "photo.jpg") -> None:
        file = {"name": name, "mimeType": "image/jpeg", "buffer": content}
        self.page.set_input_files("#files", files=[file])

    def give(self, kind: str, content: bytes) -> None:
        self.page.evaluate(_GIVE, [kind, "given.jpg", base64.b64encode(content).decode()])

    def has(self, selector: str, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator(selector)).to_contain_text(text, timeout=_WAIT_MS)

    def slide(self, name: str, value: str) -> None:
        """Move a slider of the settings, as a key or a finger would."""
        self.page.locator(f"#set-{name}").fill(value)

    def serious_findings(self) -> list[str]:
        """What axe finds that keeps somebody from using the page."""
        violations = Axe().run(self.page).response["violations"]
        return [one["id"] for one in violations if one["impact"] in ("serious", "critical")]

    def layout_shift(self) -> float:
        return float(self.page.evaluate("window.shift"))

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith(_FAILED_REQUEST):
            self.complaints.append(text)

    def _see(self, url: str) -> None:
        if not url.startswith((self.url, "blob:", "data:")):
            self.complaints.append(f"a request to {url}")
