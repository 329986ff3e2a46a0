"""SGD and its kin: individual rates."""

import numpy as np

from nodegraph import optim

from optim_problems import Problem


def test_individual_rates_as_a_vector_or_a_list():
    one, other = Problem(), Problem()
    vector = np.arange(16.0)
    as_list = [vector[:12].reshape(4, 3), vector[12:15], 15.0]
    one.run(optim.SGD(one.pair, learning_rates=vector, weight_decays=vector), 2)
    other.run(optim.SGD(other.pair, learning_rates=as_list, weight_decays=as_list), 2)
    for x, y in zip(one.x, other.x):
        np.testing.assert_array_equal(x, y)


def test_nag_takes_individual_rates():
    results = []
    for settings in ({"learning_rate": 0.2}, {"learning_rate": 0.1, "learning_rates": np.full(2, 2.0)}):
        x, gradient = np.array([1.0, -2.0]), np.zeros(2)
        optimizer = optim.NAG((x, gradient), momentum=0.9, **settings)
        for _ in range(3):
            optimizer.step(lambda x=x, gradient=gradient: (np.copyto(gradient, 2 * x), x @ x)[1])
        results.append(x)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-14)
