"""Where NODEGRAPH_NO_SKIPS is set, as in continuous integration, a missing extra or browser is an error.

The package that is installed is tested, not the folder that Python is started in, which lacks `models` and `viz`. No
example of hypothesis has a deadline, for how long one takes is the machine's affair. Ctrl-C is heard also where the
tests run in the background, for some of them send it.
"""

import importlib.util
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import hypothesis
import pytest

EXTRAS = ["autograd", "matplotlib", "mypy", "numba", "onnx", "onnxruntime", "playwright", "sklearn", "torch"]
NOBODY = 65534
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]

ROOT = pathlib.Path(__file__).parents[1]
sys.path[:] = [place for place in sys.path if pathlib.Path(place).absolute() != ROOT]

import nodegraph.random  # noqa: E402

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


@pytest.fixture
def unprivileged():
    """A folder of somebody whom the rights of files bind; where root runs the tests, nobody runs this one.

    What the test needs must be imported before, for nobody may not read all that root has.
    """
    if not hasattr(os, "setresuid"):
        pytest.skip("needs rights of files, and to give up one's own, as on Linux")
    with tempfile.TemporaryDirectory() as folder:
        if root := os.geteuid() == 0:
            os.chown(folder, NOBODY, -1)
            os.setresuid(NOBODY, NOBODY, 0)
        try:
            if not os.access(folder, os.W_OK):
                pytest.skip("nobody may not write into the folder for temporary files")
            yield pathlib.Path(folder)
        finally:
            if root:
                os.setresuid(0, 0, 0)
            os.chmod(folder, 0o700)
            for place, inside, _ in os.walk(folder):
                for name in inside:
                    os.chmod(os.path.join(place, name), 0o700)


@pytest.fixture(autouse=True)
def seeded():
    """Every test begins with the same random numbers, whatever ran before it."""
    nodegraph.random.seed(0)
