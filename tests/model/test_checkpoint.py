import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from model import checkpoint
from model.checkpoint import Checkpoint
from model.errors import DataError
from model.network import Network


@pytest.fixture
def saved(seeded, tiny, preprocessor, tmp_path):
    """A checkpoint and the path it was saved to."""
    made = Checkpoint(Network(tiny("learned")), preprocessor.tokenizer.to_str(), {"dev": {"f1": 1}})
    path = tmp_path / "run" / "best.safetensors"
    checkpoint.save(made, path)
    return made, path


def rewrite(path, change) -> None:
    """Let `change` edit the tensors and the metadata of a file."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    change(tensors, metadata)
    save_file(tensors, path, metadata)


def test_loaded_checkpoint_is_the_saved_one(saved):
    made, path = saved
    loaded = checkpoint.load(path)
    assert loaded.network.config == made.network.config
    assert loaded.tokenizer == made.tokenizer
    assert loaded.about == made.about
    assert not loaded.network.training
    expected = made.network.state_dict()
    found = loaded.network.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_loaded_network_answers_as_the_saved_one(saved):
    made, path = saved
    arrays = {"token_ids": torch.randint(0, 23, (3, 7)), "valid": torch.ones(3, 7) > 0}
    found, expected = checkpoint.load(path).network(arrays), made.network.eval()(arrays)
    assert torch.equal(found.logits["slots"], expected.logits["slots"])


def test_preprocessor_has_the_networks_limit(saved):
    assert checkpoint.load(saved[1]).preprocessor().max_length == 11


def test_file_is_plain_safetensors_and_nothing_is_left_beside_it(saved):
    made, path = saved
    with safe_open(path, "numpy") as file:
        assert set(file.keys()) == set(made.network.state_dict())
        assert set(file.metadata()) == {"config", "tokenizer", "about"}
    assert [entry.name for entry in path.parent.iterdir()] == ["best.safetensors"]


def test_missing_weight_is_named(saved):
    rewrite(saved[1], lambda tensors, _: tensors.pop("encoder.layers.1.attention.out.bias"))
    with pytest.raises(
        DataError, match=r"(?s)Missing key.*encoder\.layers\.1\.attention\.out\.bias"
    ):
        checkpoint.load(saved[1])


def test_extra_weight_is_named(saved):
    rewrite(saved[1], lambda tensors, _: tensors.update(surplus=torch.zeros(1)))
    with pytest.raises(DataError, match=r"(?s)Unexpected key.*surplus"):
        checkpoint.load(saved[1])


def test_weight_of_another_shape_is_named(saved):
    rewrite(saved[1], lambda tensors, _: tensors.update({"frontend.norm.bias": torch.zeros(21)}))
    with pytest.raises(DataError, match=r"(?s)size mismatch for frontend\.norm\.bias"):
        checkpoint.load(saved[1])


@pytest.mark.parametrize("key", ["config", "tokenizer", "about"])
def test_missing_metadata_is_named(saved, key):
    rewrite(saved[1], lambda _, metadata: metadata.pop(key))
    with pytest.raises(DataError, match=f"is not a checkpoint of this version: '{key}'"):
        checkpoint.load(saved[1])


@pytest.mark.parametrize(("key", "value"), [("config", '{"layers": 1}'), ("about", "{")])
def test_damaged_metadata_is_refused(saved, key, value):
    rewrite(saved[1], lambda _, metadata: metadata.update({key: value}))
    with pytest.raises(DataError, match="is not a checkpoint of this version"):
        checkpoint.load(saved[1])


@pytest.mark.parametrize("content", [b"", b"x" * 999, None], ids=["empty", "other", "cut"])
def test_damaged_file_is_refused_by_name(saved, content):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:-5] if content is None else content)
    with pytest.raises(DataError, match=r"best\.safetensors cannot be read"):
        checkpoint.load(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.safetensors cannot be read"):
        checkpoint.load(tmp_path / "none.safetensors")


def test_average_moves_towards_the_weights_by_one_minus_decay():
    mean = {"a": torch.tensor([1.0, 2.0]), "count": torch.tensor(3)}
    checkpoint.average(mean, {"a": torch.tensor([2.0, 0.0]), "count": torch.tensor(9)}, 0.75)
    torch.testing.assert_close(mean["a"], torch.tensor([1.25, 1.5]))
