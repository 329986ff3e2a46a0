"""Where NODEGRAPH_NO_SKIPS is set, as in continuous integration, a missing extra or browser is an error.

No example of hypothesis has a deadline, for how long one takes is the machine's affair. Ctrl-C is heard also where the
tests run in the background, for some of them send it.
"""

import importlib.util
import os
import shutil
import signal

import hypothesis
import pytest

EXTRAS = ["autograd", "matplotlib", "mypy", "numba", "onnx", "onnxruntime", "playwright", "sklearn", "torch"]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]

hypothesis.settings.register_profile("nodegraph", deadline=None)
hypothesis.settings.load_profile("nodegraph")


def pytest_configure():
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if not any(shutil.which(browser) for browser in BROWSERS):
        missing.append("Chromium")
    if missing and os.environ.get("NODEGRAPH_NO_SKIPS"):
        raise pytest.UsageError(f"NODEGRAPH_NO_SKIPS is set, but these are not installed: {', '.join(missing)}")
