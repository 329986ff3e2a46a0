"""Models of other times and places: old versions of Torch's classes, cuDNN's, wrappers that only say where to run."""

import struct

import numpy as np
import pytest

import nodegraph
from nodegraph import nn
from nodegraph.errors import T7Error
from nodegraph.io import t7
from nodegraph.io.t7.files import recorded, translated
from nodegraph.io.t7.reader import read
from nodegraph.io.t7.values import Record, Storage, Table
from nodegraph.io.t7.writer import write


def load(name, version=1, **fields):
    """The module for an object with these fields, written and read."""
    return translated(read(write(Record(name, Table(hash=fields), version))))


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_dropout_without_v2_scales_in_evaluation():
    old = load("nn.Dropout", p=0.25, noise=np.empty(0))
    assert old.evaluate().forward(np.ones(1)) == 0.75
    assert load("nn.Dropout", p=0.25, v2=True).evaluate().forward(np.ones(1)) == 1


def test_batch_normalisation_of_version_1_holds_the_inverse_deviation():
    fields = {"running_mean": np.zeros(2), "running_std": np.array([2.0, 0.5]), "eps": 1e-3, "momentum": 0.1}
    old = load("nn.BatchNormalization", affine=False, **fields)
    np.testing.assert_allclose(old.running_var, [0.25 - 1e-3, 4 - 1e-3])
    assert old.weight is None


def test_batch_normalisation_without_its_numbers_has_those_of_torch():
    old = load("nn.BatchNormalization", version=2, running_mean=np.zeros(2), running_var=np.ones(2))
    assert (old.eps, old.momentum, old.affine) == (1e-5, 0.1, False)


def test_a_convolution_with_one_padding_and_a_flat_weight():
    fields = {"nInputPlane": 2, "nOutputPlane": 3, "kW": 3, "kH": 1, "dW": 1, "dH": 1, "padding": 1}
    weight = numbers(3, 6)
    old = load("nn.SpatialConvolution", weight=weight, bias=np.zeros(3), **fields)
    assert old.windows.padding == (1, 1)
    np.testing.assert_array_equal(old.weight, weight.reshape(3, 2, 1, 3))


def test_a_convolution_without_padding_or_bias():
    fields = {"nInputPlane": 2, "nOutputPlane": 3, "kW": 3, "kH": 1, "dW": 1, "dH": 1}
    old = load("nn.SpatialConvolution", weight=numbers(3, 2, 1, 3), **fields)
    assert old.windows.padding == (0, 0) and old.bias is None


def test_average_pooling_without_divide_sums():
    image = numbers(1, 4, 4)
    fields = {"kW": 2, "kH": 2, "dW": 2, "dH": 2}
    new = nn.SpatialAveragePooling(2, 2, 2, 2).forward(image)
    np.testing.assert_allclose(load("nn.SpatialAveragePooling", **fields).forward(image), 4 * new)
    np.testing.assert_allclose(load("cudnn.SpatialAveragePooling", **fields).forward(image), new)


def test_narrow_with_a_negative_offset_leaves_the_end_out_as_torch_does():
    x = np.arange(6.0)
    np.testing.assert_array_equal(load("nn.Narrow", dimension=1, index=-1, length=2).forward(x), x[:4])


def test_sum_without_squeeze_squeezes():
    assert load("nn.Sum", dimension=2).forward(np.ones((2, 3))).shape == (2,)
    assert load("nn.Mean", dimension=1).forward(np.ones((2, 3))).shape == (3,)


def test_a_module_without_a_mode_is_in_training():
    assert load("nn.Tanh").train
    assert not load("nn.Tanh", train=False).train


@pytest.mark.parametrize("name", ["ReLU", "Tanh", "Sigmoid", "LogSoftMax", "SoftMax"])
def test_functions_of_cudnn(name):
    assert type(load(f"cudnn.{name}", inplace=True, mode="CUDNN")) is getattr(nn, name)


def test_convolution_of_cudnn():
    fields = {"nInputPlane": 2, "nOutputPlane": 2, "kW": 1, "kH": 1, "dW": 1, "dH": 1, "padW": 0, "padH": 0}
    weight = numbers(2, 2, 1, 1).astype(np.float32)
    module = load("cudnn.SpatialConvolution", weight=weight, bias=np.zeros(2, "f4"), groups=1, **fields)
    assert type(module) is nn.SpatialConvolution and module.weight.dtype == np.float32


def test_convolution_of_cudnn_in_groups():
    fields = {"nInputPlane": 4, "nOutputPlane": 6, "kW": 3, "kH": 2, "dW": 1, "dH": 1, "padW": 1, "padH": 0}
    weight, bias, image = numbers(6, 2, 2, 3), numbers(6), numbers(2, 4, 5, 4)
    module = load("cudnn.SpatialConvolution", weight=weight, bias=bias, groups=2, **fields)
    halves = [nn.SpatialConvolution(2, 3, 3, 2, 1, 1, 1, 0) for _ in range(2)]
    for i, half in enumerate(halves):
        half.weight, half.bias = weight[3 * i : 3 * i + 3], bias[3 * i : 3 * i + 3]
    expected = np.concatenate([half.forward(image[:, 2 * i : 2 * i + 2]) for i, half in enumerate(halves)], 1)
    np.testing.assert_allclose(module.forward(image[0]), expected[0])
    np.testing.assert_allclose(module.forward(image), expected)
    assert module.backward(image, expected).shape == image.shape
    without = load("cudnn.SpatialConvolution", weight=weight, groups=2, **fields)
    np.testing.assert_allclose(without.forward(image), expected - bias[:, None, None])
    with pytest.raises(T7Error, match="do not make 3 groups"):
        load("cudnn.SpatialConvolution", weight=weight, bias=bias, groups=3, **fields)


def test_lp_pooling_made_of_weighted_sums():
    """The first versions had a SpatialSubSampling in it, whose weight was that of an average, or of a sum."""
    fields = {"nInputPlane": 2, "kW": 2, "kH": 2, "dW": 2, "dH": 2}
    image = numbers(2, 4, 4)
    sums = nn.SpatialLPPooling(2, 2, 2, 2, 2, 2).forward(image)
    for weight in (np.full(2, 0.25), np.full((2, 2, 2), 0.25)):
        inner = Record("nn.SpatialSubSampling", Table(hash={"weight": weight, "bias": np.zeros(2), **fields}))
        steps = Table([recorded(nn.Square()), inner, recorded(nn.Sqrt())])
        np.testing.assert_allclose(load("nn.SpatialLPPooling", modules=steps, **fields).forward(image), sums / 2)
    with pytest.raises(T7Error, match="has 8 elements where 2 are declared"):
        load("nn.SpatialSubSampling", weight=numbers(2, 2, 2), bias=np.zeros(2), **fields)


def test_clipped_relu_of_cudnn():
    assert load("cudnn.ClippedReLU", ceiling=6).forward(np.array([-1.0, 9.0])).tolist() == [0, 6]


def test_the_one_hot_of_char_rnn():
    module = load("OneHot", outputSize=3, _eye=np.eye(3))
    np.testing.assert_array_equal(module.forward(np.array([2])), [[0, 0, 1]])


@pytest.mark.parametrize("name", ["nn.DataParallelTable", "nn.Serial", "nn.Inception", "nn.FireModule"])
def test_a_wrapper_is_the_module_inside(name):
    assert type(load(name, modules=Table([recorded(nn.Tanh())]))) is nn.Tanh


@pytest.mark.parametrize("ascii", [False, True])
def test_a_profile_with_the_clock_that_writes_nothing(ascii):
    """Torch7's clock stands in the file as a class without a value."""
    content = write(recorded([nn.Profile(nn.Tanh(), 5, "tanh"), 7]), ascii)
    clock = read(content).array[0].fields["timer"]
    assert (clock.name, clock.content) == ("torch.Timer", b"")
    assert (b"11\ntorch.Timer\n" if ascii else b"\x0b\0\0\0torch.Timer\2\0\0\0") in content
    profile, seven = translated(read(content))
    assert (type(profile), profile.print_interval, profile.name, seven) == (nn.Profile, 5, "tanh", 7)
    assert type(profile.modules[0]) is nn.Tanh


def test_a_generator_of_random_numbers_is_passed_over():
    content = struct.pack("<iii", 4, 1, 3) + b"V 1" + struct.pack("<i", 15) + b"torch.Generator" + bytes(range(8)) * 631
    generator = read(content)
    assert (generator.name, len(generator.content)) == ("torch.Generator", 5048)
    assert write(generator) == content
    with pytest.raises(T7Error, match="a torch.Generator of 5048 bytes does not fit into the 5047 that are left"):
        read(content[:-1])


def test_a_gpu_wrapper_is_the_module_inside():
    """It writes two objects, a header and its fields."""
    both = write([Table(["torch.CudaTensor", 1]), Table(hash={"modules": Table([recorded(nn.Tanh())])})])
    table, first, second = struct.pack("<iii", 3, 1, 2), write(1), write(2)
    assert both.startswith(table + first) and both.count(second + struct.pack("<i", 3)) == 1
    head = struct.pack("<iii", 4, 1, 3) + b"V 1" + struct.pack("<i", 6) + b"nn.GPU"
    content = head + both[len(table + first) :].replace(second + struct.pack("<i", 3), struct.pack("<i", 3))
    assert type(translated(read(content))) is nn.Tanh


def test_a_network_of_single_precision_is_one_throughout():
    network = nn.Sequential(nn.OneHot(3), nn.Linear(3, 2)).float()
    again = translated(read(write(recorded(network))))
    assert again.forward(np.array([0, 2])).dtype == np.float32


def test_arrays_in_lists_are_of_single_precision_too():
    class Bank(nn.Identity):
        def __init__(self):
            self.filters, self.names = [np.ones(2), np.zeros(3)], ("low", "high")

    t7.register("my.Bank", lambda fields: Bank())
    bank = load("my.Bank", _type="torch.FloatTensor")
    assert [array.dtype for array in bank.filters] == [np.float32] * 2 and bank.names == ("low", "high")
    assert [array.dtype for array in load("my.Bank").filters] == [np.float64] * 2


def test_half_precision_becomes_single():
    module = load("nn.Linear", weight=numbers(2, 3).astype("f2"), bias=np.zeros(2, "f2"), _type="torch.CudaHalfTensor")
    assert module.weight.dtype == np.float32 and module.forward(np.zeros(3, "f4")).dtype == np.float32


def test_shared_modules_and_tensors_stay_shared():
    linear, twin = nn.Linear(2, 2), nn.Linear(2, 2)
    twin.share(linear, "weight", "grad_weight")
    again = translated(read(write(recorded(nn.Sequential(linear, linear, twin)))))
    assert again[0] is again[1] and again[2] is not again[0]
    assert again[2].weight is again[0].weight and again[2].bias is not again[0].bias
    assert again.float()[2].weight is again[0].weight


def modules_of(value):
    """The Torch objects of a Sequential's modules, in order."""
    return value.fields["modules"].array


def test_a_module_in_two_places_has_a_twin_with_the_same_tensors_in_the_second():
    """Torch7 keeps what a module computed in the module, so that one in two places overwrites what it still needs."""
    linear, tanh = nn.Linear(2, 2), nn.Tanh()
    network = nn.Sequential(linear, tanh, nn.Sequential(linear, tanh))
    first, second = modules_of(recorded(network))[0], modules_of(modules_of(recorded(network))[2])[0]
    assert first is not second and second.name == "nn.Linear"
    for name in ("weight", "bias", "gradWeight", "gradBias"):
        assert np.shares_memory(first.fields[name], second.fields[name])
    again = translated(read(write(recorded(network))))
    assert again[2][0] is again[0] and again[2][1] is again[1]
    x = numbers(3, 2)
    np.testing.assert_array_equal(again.forward(x), network.forward(x))


def test_a_module_at_two_nodes_has_a_twin_at_the_second():
    x, linear = nn.Identity()(), nn.Linear(2, 2)
    gmodule = nodegraph.GModule(x, nn.CMulTable()([linear(x), linear(nn.Tanh()(x))]))
    modules = [record for record in recorded(gmodule).fields["modules"].array if record.name == "nn.Linear"]
    assert modules[0] is not modules[1] and modules[1].fields["twinOf"] is modules[0]
    again = translated(read(write(recorded(gmodule))))
    assert len({id(node.module) for node in again.nodes if isinstance(node.module, nn.Linear)}) == 1


def test_twins_of_each_other_are_refused():
    one, other = (Record("nn.Tanh", Table(hash={})) for _ in range(2))
    one.fields["twinOf"], other.fields["twinOf"] = other, one
    with pytest.raises(T7Error, match="contains itself"):
        translated(read(write(one)))


def test_parameters_in_one_vector_stay_in_it():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network.get_parameters()
    again = translated(read(write(recorded(network))))
    assert again.get_parameters()[0].base is None
    assert all(p.base is again[0].weight.base for p in again.parameters()[0])


def test_unpooling_keeps_its_pooling():
    pooling = nn.SpatialMaxPooling(2, 2, 2, 2)
    again = translated(read(write(recorded(nn.Sequential(pooling, nn.SpatialMaxUnpooling(pooling))))))
    assert again[1].pooling is again[0]


def test_a_criterion_as_a_module_has_a_place_for_the_loss():
    """Torch7 puts the loss into the output's first element, and so needs one."""
    assert recorded(nn.ModuleFromCriterion(nn.MSECriterion())).fields["output"].shape == (1,)


def test_a_node_taken_twice_gets_an_identity():
    x = nn.Identity()()
    gmodule = nodegraph.GModule(x, [nn.CMulTable()([x, x]), x, x])
    again = translated(read(write(recorded(gmodule))))
    for ours, theirs in zip(again.forward(np.array([3.0])), gmodule.forward(np.array([3.0])), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_split_on_the_node_itself():
    """nngraph's first versions had no node between the one that is split and its parts."""
    x = nn.Identity()()
    a, b = x.split(2)
    record = recorded(nodegraph.GModule(x, nn.CSubTable()([b, a])))
    data = [node.fields["data"] for node in record.fields["forwardnodes"].array]
    (whole,) = [d for d in data if d.get("nSplitOutputs")]
    source = whole.get("mapindex").get(1)
    source.set("nSplitOutputs", whole.get("nSplitOutputs"))
    for part in data:
        if part.get("selectindex"):
            part.set("mapindex", Table([source]))
    kept = [node for node in record.fields["forwardnodes"].array if node.fields["data"] is not whole]
    record.fields["forwardnodes"] = Table(kept)
    assert translated(record).forward([np.array([1.0]), np.array([5.0])]) == 4


def test_a_graph_without_input_module_and_with_parameters():
    x, shift = nn.Identity()(), nn.Parameters(2)()
    gmodule = nodegraph.GModule(x, nn.CAddTable()([x, shift]))
    again = translated(read(write(recorded(gmodule))))
    np.testing.assert_array_equal(again.forward(np.ones(2)), gmodule.forward(np.ones(2)))


def test_sizes_are_long_storages():
    assert isinstance(recorded(nn.View(2, 3)).fields["size"], Storage)
    assert load("nn.View", size=Storage(np.array([2, -1])), numElements=2, numInputDims=1).sizes == (2, -1)


def test_modules_inside_plain_values_are_written_and_read(tmp_path):
    value = {"model": nn.Linear(2, 1), "criterion": nn.MSECriterion(), "log": [1, 2]}
    path = nodegraph.save(value, tmp_path / "all.t7")
    again = nodegraph.load(path)
    assert type(again["model"]) is nn.Linear and type(again["criterion"]) is nn.MSECriterion and again["log"] == [1, 2]
    assert isinstance(t7.read(path)["model"], Record)


def test_cycles_around_modules_are_written(tmp_path):
    value = {"model": nn.Tanh(), "log": [1]}
    value["self"], value["again"] = value, value["log"]
    again = nodegraph.load(nodegraph.save(value, tmp_path / "all.t7"))
    assert again["self"] is again and again["again"] is again["log"] and type(again["model"]) is nn.Tanh


def test_a_table_of_networks_that_is_no_checkpoint_of_char_rnn(tmp_path):
    again = nodegraph.load(nodegraph.save({"protos": {"rnn": nn.Tanh()}, "opt": 1}, tmp_path / "all.t7"))
    assert type(again["protos"]["rnn"]) is nn.Tanh and again["opt"] == 1


def test_weight_normalisation_that_kept_the_weight():
    module = nn.WeightNorm(nn.Linear(3, 2))
    record = recorded(module)
    record.fields["modules"].get(1).fields["weight"] = np.full((2, 3), 9.0)
    again = translated(read(write(record)))
    np.testing.assert_allclose(again.forward(np.ones(3)), module.forward(np.ones(3)), rtol=1e-12)


def test_load_and_save_tell_files_by_their_suffix(tmp_path):
    module = nn.Linear(2, 1)
    arrays = nodegraph.load(nodegraph.save(module, tmp_path / "net.safetensors"))
    np.testing.assert_array_equal(arrays["weight"], module.weight)
    with pytest.raises(nodegraph.NodegraphError, match="ends in .t7 or .safetensors"):
        nodegraph.save(module, tmp_path / "net.pickle")
    with pytest.raises(nodegraph.NodegraphError, match="takes a module"):
        nodegraph.save([1], tmp_path / "net.safetensors")
