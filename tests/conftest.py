"""A test that skips is an error where NODEGRAPH_NO_SKIPS is set, as in continuous integration. None has a deadline."""

import importlib.util
import os

import hypothesis
import pytest

NO_SKIPS = bool(os.environ.get("NODEGRAPH_NO_SKIPS"))
EXTRAS = ["autograd", "jax", "matplotlib", "mypy", "numba", "onnx", "onnxruntime", "playwright", "sklearn", "torch"]

hypothesis.settings.register_profile("nodegraph", deadline=None)  # how long an example takes is the machine's affair
hypothesis.settings.load_profile("nodegraph")


def pytest_configure():
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if missing and NO_SKIPS:
        raise pytest.UsageError(f"NODEGRAPH_NO_SKIPS is set, but these extras are not installed: {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return failed_if_skipped((yield))


def failed_if_skipped(report):
    """The report, of a failure where it was a skip and none is allowed; an expected failure is no skip."""
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"NODEGRAPH_NO_SKIPS is set, but this skips: {report.longrepr}"
    return report
