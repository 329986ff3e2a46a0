import pytest

from nodegraph.engine import machine as engine_machine

from agreement import numba


@pytest.fixture(params=["numpy", pytest.param("numba", marks=numba)])
def kernels(request, monkeypatch, tmp_path_factory):
    """Either kind of kernel, whatever the size; compiled ones are kept in a folder of the tests' own."""
    monkeypatch.setenv("NODEGRAPH_CACHE", str(tmp_path_factory.getbasetemp() / "kernels"))
    monkeypatch.setattr(engine_machine, "WORTH_COMPILING", 0 if request.param == "numba" else 1e15)
    return request.param


@pytest.fixture
def numpy_kernels(monkeypatch):
    """Kernels of NumPy calls alone, for tests that compile many different cells."""
    monkeypatch.setattr(engine_machine, "WORTH_COMPILING", 1e15)
