"""What runs on a GPU by a kernel or a library of its own, against the same on the processor; skipped where there is no GPU."""

import pytest
import torch
from decoupling_cases import assert_close, evaluate, expected, inputs

from taglens.decoupling.kernels import score_kernel
from taglens.gaussian_process import curvature_at, find_mode, infer, leave_each_out, leave_one_out, linear_kernel
from taglens.labels.states import PartialLabels
from taglens.methods.exact import ExactHead
from taglens.shapes import Features
from taglens.training.exact.fit import fit_exact

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 8), (2, 49, 3, 100), (1, 197, 3, 8), (3, 1, 80, 100), (8, 196, 80, 512)], ids=str)
def test_fused_score_and_its_gradients(shape, dtype):
    tensors = inputs(*shape, dtype)
    came = evaluate(score_kernel("fused", torch.device("cuda")), {name: tensor.cuda() for name, tensor in tensors.items()})
    assert_close({name: tensor.cpu() for name, tensor in came.items()}, expected(tensors), dtype)


def drawn():
    random = torch.Generator().manual_seed(0)
    features = torch.randn(300, 40, generator=random) / 40**0.5
    states = (torch.rand(300, 5, generator=random) < 0.3).to(torch.int8)
    states[torch.rand(states.shape, generator=random) < 0.2] = -1
    return features, states


def test_the_dual_form():
    features, states = drawn()
    found = {}
    for device in ("cpu", "cuda"):
        x, y = features.to(device), states.to(device).T.contiguous()
        posterior = infer((1 + 4 * linear_kernel(x, x)).expand(5, -1, -1), torch.full(y.shape, -1.0, device=device), y)
        cavity = leave_one_out(posterior)
        found[device] = [posterior.latent, posterior.evidence, cavity.mean, leave_each_out(posterior)]
    for one, other in zip(found["cpu"], found["cuda"], strict=True):
        # factors on the way are float32, so both end within Newton's tolerance of the same mode, not at the same bits
        torch.testing.assert_close(other.cpu(), one, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("known", ["at random", "tags alone"])
def test_a_whole_fit_of_the_exact_head(known):
    random = torch.Generator().manual_seed(0)
    text = torch.nn.functional.normalize(torch.randn(6, 32, generator=random), dim=-1)
    truth = torch.rand(500, 6, generator=random) < 0.3
    maps = torch.randn(500, 9, 32, generator=random)
    maps[:, 2] += 2 * truth.float() @ text
    kept = torch.rand(truth.shape, generator=random) < 0.5
    kept = kept & truth if known == "tags alone" else kept
    labels = PartialLabels(torch.where(kept, truth.to(torch.int8), -1).numpy())
    found = {}
    for device in ("cpu", "cuda"):
        head = ExactHead(text, sharpness=10.0, decoupling=True, reattention=True, rbf=True).to(device)
        fit = fit_exact(head, Stored(maps), labels)
        new = head(Features(maps[:50].to(device), maps[:50].mean(1).to(device)), {})
        found[device] = [torch.from_numpy(fit.probabilities), new.logits.sigmoid().cpu()]
        assert head.deviation.root.device.type == device
    for one, other in zip(found["cpu"], found["cuda"], strict=True):
        torch.testing.assert_close(other, one, atol=2e-3, rtol=0)


class Stored:
    """Features of pictures in memory."""

    views = 1

    def __init__(self, maps):
        self.maps = maps

    def __len__(self):
        return len(self.maps)

    def gather(self, index, views=0):
        return Features(self.maps[torch.as_tensor(index)], self.maps[torch.as_tensor(index)].mean(1))


def test_the_primal_form():
    features, states = drawn()
    found = {}
    for device in ("cpu", "cuda"):
        x, y = features.to(device), states.to(device)
        mode = find_mode(x, y, mean=torch.full(y.shape, -1.0, device=device))
        posterior = curvature_at(mode, 2, x)
        found[device] = [mode.weights, posterior.leave_one_out().mean, posterior.variance(x)]
    for one, other in zip(found["cpu"], found["cuda"], strict=True):
        torch.testing.assert_close(other.cpu(), one, atol=1e-3, rtol=1e-3, check_dtype=False)
