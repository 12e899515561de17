"""Many runs on the same data: methods by amounts of known labels by seeds, resumable; then their table, curves and paired tests.

A run of a sweep is an ordinary run; what a single run is and how it trains is the matter of ``runs``. Knows nothing of the command line.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.sweeps.config import SweepConfig
    from taglens.sweeps.report import make_report, write_sweep_report
    from taglens.sweeps.results import SweepResult, compare, read_sweep
    from taglens.sweeps.sweep import Plan, carry_out, plan_sweep
    from taglens.sweeps.variants import parse_variants

__all__ = [
    "Plan",
    "SweepConfig",
    "SweepResult",
    "carry_out",
    "compare",
    "make_report",
    "parse_variants",
    "plan_sweep",
    "read_sweep",
    "write_sweep_report",
]

__getattr__, __dir__ = lazy_face(
    "taglens.sweeps",
    {
        "Plan": "taglens.sweeps.sweep",
        "SweepConfig": "taglens.sweeps.config",
        "SweepResult": "taglens.sweeps.results",
        "carry_out": "taglens.sweeps.sweep",
        "compare": "taglens.sweeps.results",
        "make_report": "taglens.sweeps.report",
        "parse_variants": "taglens.sweeps.variants",
        "plan_sweep": "taglens.sweeps.sweep",
        "read_sweep": "taglens.sweeps.results",
        "write_sweep_report": "taglens.sweeps.report",
    },
)
