"""weights.safetensors: the tensors of a run's recogniser, whole and finite or refused."""

from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from taglens.errors import RunError
from taglens.recognizer.description import DESCRIPTION

WEIGHTS = "weights.safetensors"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors by name.

    Raises:
        RunError: no such file, not a whole one, or values that are not finite.
    """
    try:
        if not path.is_file():  # nor a pipe or a device, which would never end
            raise RunError(f"{path}: no such file; expected the weights beside {DESCRIPTION}")
        # copies are aligned in memory: products with tensors inside the file's mapping round differently, by some 1e-6
        tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}; expected the weights beside {DESCRIPTION}") from error
    except safetensors.SafetensorError as error:
        raise RunError(f"{path}: not a whole safetensors file ({error}); the run folder is damaged, train again") from error
    bad = next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)
    if bad is not None:
        raise RunError(f"{path}: {bad} has values that are not finite; the run folder is damaged, train again")
    return tensors
