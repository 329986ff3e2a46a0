"""The optimisers against those of PyTorch."""

import numpy as np
import pytest

from nodegraph import optim

from optim_problems import Problem

SAME_IN_PYTORCH = {
    "SGD": (
        {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    ),
    "SGD, nesterov": (
        {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0, "nesterov": True},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "Adam": ({"epsilon": 0, "beta1": 0.8, "beta2": 0.9}, {"eps": 0, "betas": (0.8, 0.9)}),
    "Adamax": ({"learning_rate": 0.1, "epsilon": 0.01, "weight_decay": 1}, {"lr": 0.1, "eps": 0.01, "weight_decay": 1}),
    "Adagrad": ({"learning_rate": 0.1, "learning_rate_decay": 0.1}, {"lr": 0.1, "lr_decay": 0.1}),
    "Adadelta": ({"rho": 0.8, "eps": 0.01, "weight_decay": 1}, {"lr": 1, "rho": 0.8, "eps": 0.01, "weight_decay": 1}),
    "RMSprop": ({"alpha": 0.9, "epsilon": 0.01, "weight_decay": 0.1}, {"alpha": 0.9, "eps": 0.01, "weight_decay": 0.1}),
    "Rprop": ({"stepsize": 0.2, "stepsizemax": 0.5}, {"lr": 0.2, "step_sizes": (1e-6, 0.5)}),
    "ASGD": ({"eta0": 0.1, "lambda_": 0.1, "alpha": 0.5, "t0": 3}, {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 3}),
    "LBFGS": (
        {"max_iter": 4, "learning_rate": 0.5, "n_correction": 3, "tol_fun": 1e-30, "tol_x": 1e-30},
        {"max_iter": 4, "lr": 0.5, "history_size": 3, "tolerance_grad": 1e-30, "tolerance_change": 1e-30},
    ),
}


@pytest.mark.parametrize("name", SAME_IN_PYTORCH)
def test_against_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours, theirs = SAME_IN_PYTORCH[name]
    problem = Problem()
    x = [torch.tensor(array, requires_grad=True) for array in problem.x]
    inputs, targets = torch.tensor(problem.inputs), torch.tensor(problem.targets)
    class_name = name.split(",")[0]
    optimizer = getattr(optim, class_name)(problem.pair, **ours)
    reference = getattr(torch.optim, class_name)(x, **theirs)

    def closure():
        reference.zero_grad()
        loss = 0.5 * ((torch.tanh(inputs @ x[0]) @ x[1] + x[2] - targets) ** 2).mean()
        loss.backward()
        return loss

    tolerance = 1e-6 if name == "ASGD" else 1e-10  # PyTorch keeps the rate of ASGD in float32
    for _ in range(8):
        np.testing.assert_allclose(optimizer.step(problem.closure), reference.step(closure).item(), rtol=tolerance)
        for array, tensor in zip(problem.x, x):
            np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=tolerance, atol=tolerance)
