"""A headless Chromium for the pages; tests that need it skip where it or Playwright is missing."""

import pathlib
import shutil

import pytest

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra `browser`")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as running:
        profile = tmp_path_factory.mktemp("profile")
        context = running.chromium.launch_persistent_context(profile, executable_path=program, args=FLAGS)
        context.set_default_timeout(10_000)
        yield context
        context.close()


@pytest.fixture
def opened(chromium, tmp_path):
    """`opened(page)` shows a walkthrough, or a file, and fails in the end if the browser complained of anything."""
    complaints, pages = [], []

    def open_page(page, where="", size=(1280, 900), **media):
        path = page if isinstance(page, pathlib.Path) else page.save(tmp_path / f"page{len(pages)}.html")
        shown = chromium.new_page()
        pages.append(shown)
        shown.on("console", lambda message: complaints.append(message.text))
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on(
            "request",
            lambda request: complaints.append(request.url) if request.url.startswith(("http", "ws")) else None,
        )
        shown.set_viewport_size({"width": size[0], "height": size[1]})
        shown.emulate_media(**media)
        shown.goto(path.as_uri() + where)
        return shown

    yield open_page
    for shown in pages:
        shown.close()
    assert complaints == []
