"""What every loss promises: a finite sum and count, no order of pictures or classes, its slope, no gradient from what it does not read."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from taglens.labels.states import PartialLabels
from taglens.losses import KnownOnly, Loss, StatefulLoss, Step, build_loss

Case = tuple[str, Mapping[str, float]]
"""Name of a loss and its options."""
EXTREME = torch.tensor([-1e4, -89.0, -20.0, -1e-6, 0.0, 1e-6, 20.0, 89.0, 1e4])


def _made(case: Case, targets: Tensor) -> Loss:
    return build_loss(case[0], PartialLabels(targets.numpy()), **case[1])


def _drawn() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    return logits, torch.randint(-1, 2, (7, 4), generator=generator, dtype=torch.int8)


class LossContract:
    """The tests; a subclass whose name starts with Test gives the fixture ``case``."""

    @pytest.mark.parametrize("target", [1, 0, -1])
    def test_value_and_gradient_are_finite(self, case: Case, target: int) -> None:
        """Also for logits of ten thousand, and where a known label is contradicted by them."""
        logits = EXTREME[:, None].repeat(1, 3).requires_grad_()
        targets = torch.tensor([[target, 1, 0]] * len(EXTREME), dtype=torch.int8)
        found = _made(case, targets)(logits, targets)
        found.total.backward()  # type: ignore[no-untyped-call]
        assert torch.isfinite(found.total)
        assert torch.isfinite(logits.grad).all() if logits.grad is not None else False
        assert 0 < found.known <= targets.numel()

    def test_the_order_of_pictures_and_classes_does_not_matter(self, case: Case) -> None:
        """No cell depends on its place."""
        logits, targets = _drawn()
        rows, columns = torch.arange(6, -1, -1), torch.tensor([2, 0, 3, 1])
        first = _made(case, targets)(logits, targets)
        moved = targets[rows][:, columns]
        second = _made(case, moved)(logits[rows][:, columns], moved)
        torch.testing.assert_close(second, first, rtol=1e-9, atol=0.0)

    def test_unknown_cells_have_no_gradient_where_it_says_so(self, case: Case) -> None:
        """A ``KnownOnly`` loss lets training leave out the work for unknown cells."""
        logits, targets = _drawn()
        loss = _made(case, targets)
        known_only = isinstance(loss, KnownOnly)
        if not known_only:
            pytest.skip("it reads unknown cells")
        (slope,) = torch.autograd.grad(loss(logits.requires_grad_(), targets).total, logits)
        assert (slope[targets < 0] == 0).all()

    def test_its_state_makes_a_resumed_training_the_same(self, case: Case) -> None:
        """What a ``StatefulLoss`` remembers lies in its state."""
        logits, targets = _drawn()
        loss = _made(case, targets)
        if not isinstance(loss, StatefulLoss):
            pytest.skip("it has no state")
        for epoch in range(2):
            loss.training_loss(logits, targets, Step(torch.arange(7), epoch, 4))
            loss.end_epoch(Step(torch.zeros(0, dtype=torch.int64), epoch, 4))
        again = _made(case, targets)
        assert isinstance(again, StatefulLoss)
        again.load_state_dict(loss.state_dict())
        third = [one.training_loss(logits, targets, Step(torch.arange(7), 2, 4)) for one in (loss, again)]
        torch.testing.assert_close(third[1], third[0], rtol=0.0, atol=0.0)
