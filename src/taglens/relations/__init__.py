"""Relations between classes: what implies what, what excludes what, and what known cells settle of the others by them.

The file that people write, closure of three-state labels, contradictions with the chain that shows each, suggestions from known cells.
Knows labels and nothing of pictures, models or PyTorch. A label that the data gave is never changed.
"""

from taglens.relations.closure import Closure, close
from taglens.relations.file import read_relations
from taglens.relations.provenance import close_table
from taglens.relations.relation import Group, Implication, Relations

__all__ = ["Closure", "Group", "Implication", "Relations", "close", "close_table", "read_relations"]
