"""Dropout of elements and of feature maps."""

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.errors import ArgumentError, ShapeError

MAPS = {nn.SpatialDropout: (3, 5, 4, 2), nn.VolumetricDropout: (3, 5, 2, 4, 2)}


class Rigged:
    """A generator that draws what it was given."""

    def __init__(self, drawn):
        self.drawn = drawn

    def random(self, shape):
        return np.array(self.drawn).reshape(shape)


@pytest.fixture(autouse=True)
def seed():
    nodegraph.random.seed(1)


class TestDropout:
    def test_drops_where_the_drawn_number_is_below_p(self, monkeypatch):
        monkeypatch.setattr(nodegraph.random, "generator", lambda: Rigged([0.0, 0.19, 0.2, 0.99]))
        module, x = nn.Dropout(0.2), np.array([1.0, 2.0, 3.0, 4.0])
        np.testing.assert_allclose(module.forward(x), [0, 0, 3.75, 5])
        np.testing.assert_allclose(module.noise, [0, 0, 1.25, 1.25])
        np.testing.assert_allclose(module.backward(x, np.ones(4)), [0, 0, 1.25, 1.25])

    def test_drops_the_part_p_and_keeps_the_mean(self):
        output = nn.Dropout(0.3).forward(np.ones(20000))
        assert abs((output == 0).mean() - 0.3) < 0.02
        assert abs(output.mean() - 1) < 0.02

    def test_every_run_draws_anew_and_keeps_its_own_mask(self):
        module, x = nn.Dropout(), np.ones((4, 10))
        first, second = nn.Call(module, x), nn.Call(module, x)
        assert (first.output != second.output).any()
        for call in (first, second):
            np.testing.assert_array_equal(call.update_grad_input(np.ones((4, 10))), call.output)

    def test_the_seed_decides_and_the_dtype_does_not(self):
        masks = []
        for dtype in (np.float64, np.float32):
            nodegraph.random.seed(7)
            masks.append(nn.Dropout(0.4).forward(np.ones(50, dtype)) == 0)
        np.testing.assert_array_equal(*masks)

    @pytest.mark.parametrize("v1, scale", [(False, 1.0), (True, 0.7)])
    def test_evaluation(self, v1, scale):
        module, x = nn.Dropout(0.3, v1).evaluate(), np.array([1.0, 2.0])
        np.testing.assert_array_equal(module.forward(x), scale * x)
        np.testing.assert_array_equal(module.backward(x, np.ones(2)), scale)
        assert module.noise is None

    def test_v1_does_not_scale_in_training(self):
        assert set(nn.Dropout(0.3, True).forward(np.ones(100))) == {0, 1}

    @pytest.mark.parametrize("v1", [False, True])
    def test_stochastic_inference_drops_in_evaluation_and_in_its_backward(self, v1):
        module, x = nn.Dropout(0.5, v1, False, True).evaluate(), np.ones(100)
        output = module.forward(x)
        assert set(output) == {0, 1 if v1 else 2}
        np.testing.assert_array_equal(module.backward(x, np.ones(100)), output)

    def test_backward_follows_the_forward_whatever_the_mode_is_now(self):
        module, x = nn.Dropout(), np.ones(100)
        output = module.forward(x)
        module.evaluate()
        np.testing.assert_array_equal(module.backward(x, np.ones(100)), output)

    def test_none_dropped(self):
        module, x = nn.Dropout(0), np.array([1.0, 2.0])
        np.testing.assert_array_equal(module.forward(x), x)
        np.testing.assert_array_equal(module.backward(x, x), x)

    def test_setp(self):
        assert (nn.Dropout(0).setp(0.999).forward(np.ones(50)) == 0).sum() > 40

    def test_float32(self):
        module, x = nn.Dropout(), np.ones((2, 3), np.float32)
        assert module.forward(x).dtype == module.noise.dtype == module.backward(x, x).dtype == np.float32

    def test_in_place_writes_into_nothing(self):
        module, x, gradient = nn.Dropout(0.5, False, True), np.ones(50), np.ones(50)
        module.forward(x)
        module.backward(x, gradient)
        assert (x == 1).all() and (gradient == 1).all()

    def test_clear_state_forgets_the_mask(self):
        module = nn.Dropout()
        module.forward(np.ones(3))
        assert module.clear_state().noise is None

    @pytest.mark.parametrize("p", [1, -0.1, 1.5, "0.5", None, np.nan])
    def test_probabilities(self, p):
        with pytest.raises(ArgumentError):
            nn.Dropout(p)
        with pytest.raises(ArgumentError):
            nn.Dropout().setp(p)

    def test_a_table_is_refused(self):
        with pytest.raises(ShapeError):
            nn.Dropout().forward([np.ones(3)])


@pytest.mark.parametrize("kind", MAPS)
class TestMaps:
    @pytest.mark.parametrize("batched", [True, False])
    def test_a_map_is_dropped_as_a_whole_and_not_scaled(self, kind, batched):
        shape = MAPS[kind][0 if batched else 1 :]
        maps = tuple(range(2 if batched else 1, len(shape)))
        module, x = kind(0.5), np.random.default_rng(0).normal(size=shape)
        output = module.forward(x)
        kept = (output == x).all(maps)
        assert (kept != (output == 0).all(maps)).all() and kept.any() and not kept.all()
        assert module.noise.shape == kept.shape + (1,) * len(maps)
        np.testing.assert_array_equal(module.backward(x, np.ones(shape)), np.broadcast_to(module.noise, shape))

    def test_evaluation_has_a_backward(self, kind):
        module, x = kind(0.4).evaluate(), np.ones(MAPS[kind])
        np.testing.assert_array_equal(module.forward(x), 0.6)
        np.testing.assert_array_equal(module.backward(x, x), 0.6)

    def test_stochastic_inference(self, kind):
        module, x = kind(0.5, True).evaluate(), np.ones(MAPS[kind])
        output = module.forward(x)
        assert set(output.ravel()) == {0, 1}
        np.testing.assert_array_equal(module.backward(x, x), output)

    def test_all_or_none(self, kind):
        x = np.ones(MAPS[kind])
        assert (kind(1).forward(x) == 0).all() and (kind(0).forward(x) == 1).all()

    def test_float32(self, kind):
        module, x = kind(0.3), np.ones(MAPS[kind], np.float32)
        assert module.forward(x).dtype == module.backward(x, x).dtype == np.float32
        assert module.evaluate().forward(x).dtype == np.float32

    def test_other_numbers_of_axes(self, kind):
        with pytest.raises(ShapeError, match=r"expected an array of shape \(batch, features, "):
            kind().forward(np.ones((2, 2)))
        with pytest.raises(ShapeError, match="expected"):
            kind().forward(np.ones((1, *MAPS[kind])))

    @pytest.mark.parametrize("p", [1.1, -0.1, None])
    def test_probabilities(self, kind, p):
        with pytest.raises(ArgumentError):
            kind(p)


@pytest.mark.parametrize(
    "module, shape",
    [(nn.Dropout(), (4, 3)), (nn.SpatialDropout(), (4, 3, 2, 2)), (nn.SpatialDropout(), (4, 2, 2))],
)
def test_rows_draw_independently(monkeypatch, module, shape):
    assert module.rowwise(shape)
    x = np.random.default_rng(0).normal(size=shape)
    whole = module.forward(x)
    drawn = iter((module.noise != 0).astype(float))
    monkeypatch.setattr(nodegraph.random, "generator", lambda: Rigged(next(drawn)))
    np.testing.assert_array_equal(np.concatenate([module.forward(x[i : i + 1]) for i in range(4)]), whole)
