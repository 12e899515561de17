"""What a run folder loads beside itself, said before it does: the folder may be a stranger's."""

from pathlib import Path

from taglens.backbones.registry import BACKBONES
from taglens.cli.console import say
from taglens.errors import RunError
from taglens.outputs import read_object
from taglens.schema import shown

DESCRIPTION = "recognizer.json"


def say_what_loads(folder: Path) -> None:
    """Say which backbone a run folder names and where it comes from, unless it is in the package or a pair of local files.

    A folder that cannot be read is left to what loads it.
    """
    try:
        facts = read_object(folder / DESCRIPTION, kind=RunError, damaged="")
    except RunError:
        return
    backbone = facts.get("backbone")
    spec = backbone.get("spec") if isinstance(backbone, dict) else None
    if isinstance(spec, str):
        place = place_of(spec)
        if place is not None:
            say(f"{folder} loads the backbone {shown(spec)}, {place}")


def place_of(spec: str) -> str | None:
    """Say where the backbone that a run folder names comes from; None: from this package or local files.

    >>> place_of("tiny"), place_of("/models/a.json:/models/a.safetensors")
    (None, None)
    >>> place_of("RN101/openai")
    "a model of open_clip's own list: from its cache, or fetched once from where open_clip's list says"
    >>> place_of("hf-hub:somebody/some-clip")
    'from what you fetched of that repository before; for a run folder nothing is downloaded from there'
    """
    if spec.startswith("hf-hub:"):
        return "from what you fetched of that repository before; for a run folder nothing is downloaded from there"
    if spec in BACKBONES:
        return "as an installed package or a plugin of yours says"
    if spec == "tiny" or spec.startswith("random:") or ".json:" in spec:
        return None
    return "a model of open_clip's own list: from its cache, or fetched once from where open_clip's list says"
