"""A real browser, logged in to Airflow as one of the people."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PICTURES = "RELEASE_WATCH_PICTURES"
"""Names a folder to keep pictures of the pages in; without it none are kept."""


@contextmanager
def logged_in(url: str, user: str, password: str) -> Iterator[Page]:
    """Open a page of ``url`` as ``user``."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "no Chromium on PATH; `make browser` installs one"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        try:
            page = browser.new_page(viewport={"width": 1700, "height": 900})
            page.goto(f"{url}/auth/login/?next={url}/")
            page.fill("input[name=username]", user)
            page.fill("input[name=password]", password)
            page.keyboard.press("Enter")
            page.wait_for_url(f"{url}/**")
            page.get_by_text("Dags").first.wait_for()
            yield page
        finally:
            browser.close()


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the page as it is, where somebody asked for pictures."""
    if folder := os.environ.get(PICTURES):
        page.wait_for_timeout(1500)  # until animations are over
        page.screenshot(path=Path(folder) / f"{name}.png")
