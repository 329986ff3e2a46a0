"""Every optimiser against Torch7: six steps on two functions; the point, the losses and the evaluations after each."""

import numpy as np
import pytest

from nodegraph import optim

import oracle

STORED = oracle.json.loads((oracle.DATA / "optim.json").read_text())
CLASSES = {name.lower(): getattr(optim, name) for name in dir(optim) if isinstance(getattr(optim, name), type)}
SETTINGS = {"lambda": "lambda_", "int": "interpolation", "ext": "extrapolation"}


def ours(config):
    """Torch's configuration with our names."""
    names = {name: SETTINGS.get(name, "".join("_" + c.lower() if c.isupper() else c for c in name)) for name in config}
    return {names[name]: ours(setting) if isinstance(setting, dict) else setting for name, setting in config.items()}


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum(), gradient


def quadratic(x):
    matrix, vector = (oracle.value(STORED["functions"]["quadratic"][name]) for name in "Ab")
    return 0.5 * x @ matrix @ x - vector @ x, matrix @ x - vector


def describe(case):
    return "-".join([case["optimizer"], case["function"], *case["config"]])


@pytest.mark.parametrize("pieces", [[4], [1, 3]], ids=["vector", "list"])
@pytest.mark.parametrize("case", STORED["cases"], ids=describe)
def test_optimizer(case, pieces):
    x = np.split(oracle.value(case["x0"]), np.cumsum(pieces)[:-1])
    gradient = [np.full_like(part, np.nan) for part in x]
    config = {name: oracle.value(setting) for name, setting in case["config"].items()}
    optimizer = CLASSES[case["optimizer"]]((x, gradient), **ours(config))

    def closure():
        loss, new = {"rosenbrock": rosenbrock, "quadratic": quadratic}[case["function"]](np.concatenate(x))
        for part, values in zip(gradient, np.split(new, np.cumsum(pieces)[:-1])):
            part[...] = values
        return loss

    for i, stored in enumerate(case["x"]):
        loss = optimizer.step(closure)
        oracle.assert_equal(np.concatenate(x), stored, what=f"x after step {i}")
        oracle.assert_equal(optimizer.losses, case["f"][i], what=f"losses of step {i}")
        assert loss == optimizer.losses[0]
        assert optimizer.evaluations == case["functionEvaluations"][i]
        if "averaged" in case:
            oracle.assert_equal(np.concatenate(optimizer.averaged), case["averaged"][i], what=f"average after step {i}")
