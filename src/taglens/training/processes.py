"""Which of several training processes this one is."""

import os


def is_first_process() -> bool:
    """Tell whether this process is the one that speaks and writes, by the variables of torchrun, SLURM and Lightning."""
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))
