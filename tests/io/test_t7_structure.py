"""What `save` writes against what Torch7 wrote for the same network: class by class, field by field."""

import numpy as np
import pytest

from nodegraph.io import t7
from nodegraph.io.t7.reader import read
from nodegraph.io.t7.values import Key, Record, Storage, Table

import oracle

FILES = oracle.DATA / "t7"
IN_SEVERAL_PLACES = ("one_module_three_nodes", "shared_linear_two_nodes")
"""One module at several nodes, where Torch7 overwrites what it still needs; for these see test_t7_old_models.py."""

NETWORKS = sorted([*FILES.glob("net_*.t7"), *FILES.glob("graphs/*.t7"), *FILES.glob("graphs_more/*.t7")])
NETWORKS = [path for path in NETWORKS if path.stem not in IN_SEVERAL_PLACES]

MADE_WHEN_NEEDED = {
    "nn.Linear": {"addBuffer", "shared"},
    "nn.MSECriterion": {"output_tensor"},
    "nn.SpatialBatchNormalization": {"save_mean", "save_std"},
    "nn.SpatialConvolution": {"finput", "fgradInput"},
    "nn.SpatialMaxPooling": {"iheight", "iwidth"},
}
"""Fields that Torch7 makes at the first run, and that a new module has not either."""

OPTIONAL = {"inplace", "train", "_type", "gradInput"}
"""Fields that Torch7 leaves out where they are nil, and that change nothing if they are there."""

LEFT_OVER = {"output", "gradInput", "indices", "output_tensor", "total_weight_tensor", "target", "batchsize"}
LEFT_OVER_IN = {"nn.JoinTable": {"size"}}
"""Fields that hold what the last run left."""

RUN_OF_THE_SCRIPT = {"_debugLabel"}


class Walk:
    """Goes through two files side by side; an object of the one must always meet the same one of the other."""

    def __init__(self):
        self.met, self.pending = {}, []

    def compare(self, theirs, ours):
        self.pending.append((theirs, ours, "file"))
        while self.pending:
            theirs, ours, path = self.pending.pop()
            assert type(theirs) is type(ours), path
            if isinstance(theirs, (Table, Record)):
                if id(theirs) in self.met:
                    assert self.met[id(theirs)] is ours, f"{path} is another object"
                    continue
                self.met[id(theirs)] = ours
            if isinstance(theirs, Record):
                self.record(theirs, ours, path)
            elif isinstance(theirs, Table):
                self.table(theirs, ours, path)
            elif isinstance(theirs, (np.ndarray, Storage)):
                arrays = [getattr(value, "array", value) for value in (theirs, ours)]
                np.testing.assert_array_equal(*arrays, err_msg=path)
                assert arrays[0].dtype == arrays[1].dtype, path
            else:
                assert theirs == ours, path

    def record(self, theirs, ours, path):
        assert (theirs.name, theirs.version) == (ours.name, ours.version), path
        missing, extra = theirs.fields.keys() - ours.fields.keys(), ours.fields.keys() - theirs.fields.keys()
        assert missing <= MADE_WHEN_NEEDED.get(theirs.name, set()), f"{path}, a {theirs.name}"
        assert extra <= OPTIONAL, f"{path}, a {theirs.name}"
        left_over = LEFT_OVER | LEFT_OVER_IN.get(theirs.name, set())
        for name in theirs.fields.keys() & ours.fields.keys() - left_over:
            self.pending.append((theirs.fields[name], ours.fields[name], f"{path}.{name}"))

    def table(self, theirs, ours, path):
        assert len(theirs.array) == len(ours.array), path
        for i, (a, b) in enumerate(zip(theirs.array, ours.array)):
            self.pending.append((a, b, f"{path}[{i + 1}]"))
        a, b = theirs.hash or {}, ours.hash or {}
        names = {key for key in a if not isinstance(key, Key)}
        assert names == {key for key in b if not isinstance(key, Key)}, path
        for name in names - RUN_OF_THE_SCRIPT:
            self.pending.append((a[name], b[name], f"{path}.{name}"))
        # Nodes and edges as keys: those in the list have its places, those in reverseMap have true.
        objects = [{id(key.value): value for key, value in h.items() if isinstance(key, Key)} for h in (a, b)]
        assert sorted(objects[0].values()) == sorted(objects[1].values()), path
        for key, place in b.items():
            if isinstance(key, Key) and place is not True:
                assert ours.array[place - 1] is key.value, path


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_a_network_is_written_as_torch_writes_it(path, tmp_path):
    content = path.read_bytes()
    again = t7.save(t7.load(path), tmp_path / "again.t7")
    Walk().compare(read(content), read(again.read_bytes()))
