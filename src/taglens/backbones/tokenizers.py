"""Tokenizers that a configuration names: open_clip's own, a folder of data files, or a repository that is well known or was named.

No code of a folder or repository is ever imported, whatever its configuration says.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import open_clip
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch import Tensor

from taglens.backbones.sources import Source
from taglens.errors import BackboneError
from taglens.outputs import read_object

DATA = frozenset((".json", ".txt", ".model", ".spm", ".vocab", ".md", ".jinja", ".safetensors", ""))
"""Suffixes of files that hold data; those of pickles and code are not among them."""
MOST_FILES = 100


def load_tokenizer(source: Source) -> Callable[..., Tensor]:
    """Return the tokenizer of a backbone whose configuration is checked.

    Raises:
        BackboneError: the configuration names a repository that nobody named, or the tokenizer cannot be read.
    """
    config, spec = source.config["text_cfg"], source.spec
    length, options = config.get("context_length", 77), dict(config.get("tokenizer_kwargs") or {})
    name = config.get("hf_tokenizer_name")
    if not name:
        options.pop("strip_sep_token", None)  # open_clip's own has none
        return SimpleTokenizer(context_length=length, **options)  # type: ignore[no-any-return]
    local = require_known(name, source)
    try:
        return HFTokenizer(  # type: ignore[no-any-return]
            name,
            context_length=length,
            tokenizer_mode=config.get("tokenizer_mode"),
            trust_remote_code=False,
            local_files_only=local,
            **options,
        )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackboneError(
            f"cannot load the tokenizer {name!r} of backbone {spec!r} ({reason}); "
            f"install `transformers`, fetch the tokenizer from https://huggingface.co/{name} into a folder "
            "and put that folder's path into the configuration's hf_tokenizer_name"
        ) from error


def require_known(name: str, source: Source) -> bool:
    """Tell whether a tokenizer is read from this machine only; a folder must hold data only, a repository be well known or named.

    Raises:
        BackboneError: it is none of these.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        _require_data(folder, source.spec)
        return True
    if name in well_known():
        return False
    if name == source.repository:
        return not source.by_user
    raise BackboneError(
        f"backbone {source.spec!r}: its configuration asks for the tokenizer {name!r} of a hub, which neither you nor open_clip's own "
        "configurations name; if you trust it, fetch its files into a folder and put that folder's path into hf_tokenizer_name"
    )


@cache
def well_known() -> frozenset[str]:
    """Return the repositories of tokenizers that open_clip's own configurations name."""
    found = (open_clip.get_model_config(name)["text_cfg"].get("hf_tokenizer_name") for name in open_clip.list_models())
    return frozenset(name for name in found if name)


def _require_data(folder: Path, spec: str) -> None:
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    other = next((path for path in files if path.suffix.lower() not in DATA or not path.is_file()), None)
    if other is not None or len(files) > MOST_FILES:
        what = f"{other} is none" if other is not None else f"there are {len(files):,}"
        raise BackboneError(
            f"backbone {spec!r}: the tokenizer folder {folder} may hold at most {MOST_FILES} files of data "
            f"({', '.join(sorted(DATA - {''}))}), and {what}; copy the tokenizer's own files into a folder for themselves"
        )
    for name in ("tokenizer_config.json", "config.json"):
        path = folder / name
        if path.exists() and "auto_map" in read_object(path, kind=BackboneError, damaged="fetch the tokenizer again"):
            raise BackboneError(
                f"{path}: auto_map names Python code that belongs to the tokenizer, and such code is never run; "
                "choose a backbone whose tokenizer is data"
            )
