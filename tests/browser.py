"""A real headless Chromium for tests, cut off from the network, that records what pages do."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DESKTOP, PHONE = (1280, 800), (390, 844)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium_path() -> str:
    """Where Chromium is: the environment variable CHROMIUM, or /usr/bin/chromium."""
    path = shutil.which(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    if path is None:
        reason = "no Chromium: install /usr/bin/chromium, or name one in CHROMIUM"
        if os.environ.get("SERVICECIRCLE_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser; without one the test skips, or fails under SERVICECIRCLE_REQUIRE_BROWSER=1."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 (only where a browser is)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """An opened page, and what it did: requests beyond the file itself, errors, dialogs."""

    page: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@contextmanager
def visit(chromium: Any, file: Path, size: tuple[int, int] = DESKTOP) -> Iterator[Visit]:
    """Open a local file with the network cut off."""
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, has_touch=size == PHONE, offline=True
    )
    address = file.resolve().as_uri()
    seen = Visit(context.new_page())

    def guard(route: Any) -> None:
        if route.request.url == address:
            route.continue_()
        else:
            seen.requests.append(route.request.url)
            route.abort()

    def refuse(dialog: Any) -> None:
        seen.dialogs.append(dialog.message)
        dialog.dismiss()

    context.route("**/*", guard)
    seen.page.on("console", lambda m: m.type == "error" and seen.errors.append(m.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("dialog", refuse)
    try:
        seen.page.goto(address)
        yield seen
    finally:
        context.close()


def until(page: Any, true: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until something holds, asked from here: a page's policy may forbid what Playwright's
    own ``wait_for_function`` does. Fails where it never does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        page.wait_for_timeout(20)  # meanwhile events of the page are heard


def overlaps(page: Any, *selectors: str) -> list[tuple[str, str]]:
    """Which of the visible elements lie over each other."""
    boxes = {s: page.locator(s).first.bounding_box() for s in selectors}
    found = []
    for i, a in enumerate(selectors):
        for b in selectors[i + 1 :]:
            p, q = boxes[a], boxes[b]
            across = min(p["x"] + p["width"], q["x"] + q["width"]) - max(p["x"], q["x"])
            down = min(p["y"] + p["height"], q["y"] + q["height"]) - max(p["y"], q["y"])
            if across > 1 and down > 1:
                found.append((a, b))
    return found
