"""All kernels of the semantic decoupling against its definition, and the folded form against the published one."""

import logging

import pytest
import torch
from decoupling_cases import PARTS, assert_close, evaluate, expected, inputs
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.references import ssgrl
from taglens.decoupling import blocked, reference
from taglens.decoupling.kernels import score_kernel
from taglens.decoupling.layer import SemanticDecoupling
from taglens.errors import TagLensError

SHAPES = {
    # batch, positions, labels, hidden
    "ViT-B/32 at 224, VOC": (2, 49, 20, 512),
    "RN101 at 448, COCO": (2, 196, 80, 64),
    "one position": (3, 1, 5, 32),
    "one label, odd positions, hidden no power of two": (1, 197, 1, 100),
    "one hidden channel": (5, 7, 3, 1),
    "one of everything": (1, 1, 1, 1),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_blocked_equals_reference(shape, dtype):
    tensors = inputs(*shape, dtype)
    assert_close(evaluate(blocked.attention_scores, tensors), expected(tensors), dtype)


@pytest.mark.parametrize("elements", [1, 100, 5_000], ids=lambda count: f"blocks of {count}")
def test_the_size_of_a_block_changes_nothing(monkeypatch, elements):
    tensors = inputs(3, 7, 4, 50, torch.float64)
    monkeypatch.setitem(blocked._BLOCK_ELEMENTS, "cpu", elements)
    assert_close(evaluate(blocked.attention_scores, tensors), expected(tensors), torch.float64)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_unknown_labels_which_have_no_gradient_change_nothing(dtype, share):
    tensors = inputs(6, 9, 11, 32, dtype)
    known = torch.rand(6, 11, 1, generator=torch.Generator().manual_seed(1)) < share
    known[0, 0] = True  # something to compare with
    known[:, 1] = False  # a class without any known label
    tensors["outer"] = tensors["outer"] * known
    assert_close(evaluate(blocked.attention_scores, tensors), expected(tensors), dtype)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 0.9])
@pytest.mark.parametrize("count", [1, 2])
def test_known_scores_are_exact_and_the_others_finite(threads, count, share):
    threads(count)
    tensors = inputs(6, 9, 11, 32, torch.float64)
    known = torch.rand(6, 11, generator=torch.Generator().manual_seed(1)) < share
    known[0, 0] = True
    tensors["outer"] = tensors["outer"] * known[:, :, None]
    came, wanted = evaluate(lambda *parts: blocked.attention_scores(*parts, known), tensors), expected(tensors)
    assert torch.isfinite(came["scores"]).all()
    assert (came["scores"][~known] == 0).all() == (share <= 0.5), "up to a half they are left out"
    for scores in (came["scores"], wanted["scores"]):
        scores[~known] = 0
    assert_close(came, wanted, torch.float64)


def test_tanh_by_way_of_sigmoid_is_off_by_two_roundings_of_one_at_most():
    values = torch.cat([torch.linspace(-20, 20, 400_001), torch.logspace(-30, 2, 10_000), torch.tensor([0.0, -0.0, 1e30, -1e30])])
    half = torch.empty(len(values), 1)
    blocked._half_tanh(values[:, None], torch.ones(1), half)
    assert (2 * half[:, 0].double() - values.double().tanh()).abs().max() <= 2.4e-7


@pytest.mark.parametrize("kernel", [reference.attention_scores, blocked.attention_scores], ids=["reference", "blocked"])
def test_gradients_equal_finite_differences(kernel):
    tensors = inputs(2, 3, 4, 5, torch.float64)
    assert torch.autograd.gradcheck(kernel, [tensors[name].requires_grad_() for name in PARTS[1:]])


def test_blocked_takes_strided_inputs_and_gradients():
    tensors = inputs(4, 6, 5, 8, torch.float64)
    wanted = expected(tensors)
    tensors["features"] = tensors["features"].transpose(1, 2).contiguous().transpose(1, 2)
    tensors["guide"] = tensors["guide"].T.contiguous().T
    tensors["outer"] = tensors["outer"].transpose(0, 2).contiguous().transpose(0, 2)
    assert_close(evaluate(blocked.attention_scores, tensors), wanted, torch.float64)


def test_under_autocast_sums_stay_float32():
    tensors = inputs(2, 9, 4, 64, torch.bfloat16)
    tensors["weight"] = tensors["weight"].float()
    with torch.autocast("cpu", torch.bfloat16):
        scores = blocked.attention_scores(*(tensors[name] for name in PARTS[1:]))
    assert scores.dtype == torch.float32
    wanted = expected(tensors)["scores"]
    assert (scores - wanted).abs().max() / wanted.abs().max() < 3e-6  # bfloat16 sums would be off by 2e-3


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_the_number_of_threads_changes_nothing(threads, count):
    threads(count)
    tensors = inputs(1, 7, 4, 50, torch.float64)
    for _ in range(2):
        assert_close(evaluate(blocked.attention_scores, tensors), expected(tensors), torch.float64)
        assert torch.get_num_threads() == count


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_threads_score_without_gradients(threads, mode):
    threads(2)
    tensors = inputs(2, 9, 4, 16, torch.float64)
    wanted = expected(tensors)["scores"]
    with mode():
        scores = blocked.attention_scores(*(tensors[name] * 1 for name in PARTS[1:]))
    torch.testing.assert_close(scores, wanted)
    assert scores.is_inference() == (mode is torch.inference_mode)


def test_training_never_allocates_a_tensor_of_batch_position_label_channel(threads):
    threads(1)  # the count below sees its own thread only
    batch, positions, labels, channels, hidden = 32, 196, 80, 512, 128
    layer = SemanticDecoupling(channels, channels, hidden=hidden, residual="random")
    features = torch.randn(batch, positions, channels)
    with LargestTensor() as seen:
        layer(features, torch.randn(labels, channels)).features.square().sum().backward()
    assert seen.elements <= features.numel() < batch * positions * labels * hidden / 10
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in layer.parameters())


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return result


@pytest.mark.parametrize("kernel", ["reference", "blocked"])
@pytest.mark.parametrize("shape", [(2, 49, 20, 24, 300, 32, 16), (1, 1, 1, 5, 7, 3, 2)], ids=["plain", "smallest"])
def test_folded_form_equals_the_published_one(kernel, shape):
    batch, positions, labels, channels, guide_channels, hidden, between = shape
    state = {name: value.double() for name, value in ssgrl.random_state(channels, guide_channels, hidden, between).items()}
    features = torch.randn(batch, positions, channels, dtype=torch.float64)
    guide = torch.randn(labels, guide_channels, dtype=torch.float64)
    wanted, attention = ssgrl.decouple(features, guide, state)
    came = SemanticDecoupling.from_ssgrl(state, kernel=kernel).double()(features, guide)
    # from_ssgrl keeps float32 weights, so the folded vector is rounded once
    torch.testing.assert_close(came.features, wanted, rtol=0, atol=2e-6)
    torch.testing.assert_close(came.attention, attention, rtol=0, atol=2e-6)


@pytest.mark.parametrize("broken", ["missing", "misfit"])
def test_weights_that_are_not_ssgrls_are_refused(broken):
    state = ssgrl.random_state(8, 6, 4, 4)
    if broken == "missing":
        del state["fc3.bias"]
    else:
        state["fc2.weight"] = torch.zeros(5, 6)
    with pytest.raises(TagLensError, match="missing" if broken == "missing" else "do not fit"):
        SemanticDecoupling.from_ssgrl(state)


def test_attention_sums_to_one_and_weighs_the_map():
    layer = SemanticDecoupling(16, 12, hidden=8, residual="random")
    features = torch.randn(3, 10, 16)
    decoupled = layer(features, torch.randn(4, 12))
    torch.testing.assert_close(decoupled.attention.sum(-1), torch.ones(3, 4))
    torch.testing.assert_close(decoupled.features, torch.einsum("blp,bpn->bln", decoupled.attention, features))


def test_anchored_attention_starts_at_the_softmax_of_clips_similarity():
    features, text = torch.randn(2, 9, 16), torch.randn(4, 16)
    layer = SemanticDecoupling(16, 12, hidden=8, anchor=text, sharpness=30.0)
    similarity = torch.einsum("bpn,ln->blp", normalize(features, dim=-1), normalize(text, dim=-1))
    torch.testing.assert_close(layer(features, torch.randn(4, 12)).attention, (30 * similarity).softmax(-1))


def test_a_checkpoint_fits_every_kernel():
    layers = {name: SemanticDecoupling(16, 12, hidden=8, residual="random", kernel=name) for name in ("reference", "blocked")}
    layers["blocked"].load_state_dict(layers["reference"].state_dict())
    features, guide = torch.randn(2, 9, 16), torch.randn(4, 12)
    torch.testing.assert_close(layers["blocked"](features, guide).attention, layers["reference"](features, guide).attention)


def test_the_choice_is_logged_once(caplog):
    score_kernel.cache_clear()
    with caplog.at_level(logging.INFO, "taglens"):
        chosen = [score_kernel("auto", torch.device("cpu")) for _ in range(2)]
    assert chosen == [blocked.attention_scores] * 2
    assert [record.message for record in caplog.records] == ["semantic decoupling on cpu uses the blocked kernel"]


def test_an_unknown_kernel_is_named():
    with pytest.raises(TagLensError, match="did you mean 'blocked'"):
        score_kernel("block", torch.device("cpu"))
