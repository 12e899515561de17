"""From a backbone's name to open_clip's configuration and a weights file."""

import difflib
import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

import open_clip
import torch
from huggingface_hub import constants
from open_clip.pretrained import download_pretrained, download_pretrained_from_hf

from taglens.backbones.configuration import require_configuration
from taglens.backbones.registry import BACKBONES
from taglens.errors import BackboneError
from taglens.outputs import read_object
from taglens.schema import shown

HUB = "hf-hub:"
RANDOM = "random:"
TINY, TINY_WEIGHTS = (Path(__file__).with_name(f"tiny.{suffix}") for suffix in ("json", "safetensors"))
"""The embedded backbone, a small CLIP in open_clip's format: made by ``scripts/pretrain_tiny.py`` on drawn scenes with captions and
nothing else (``docs/log.md`` has the record); ours, Apache-2.0 like the rest of the package."""
FORMS = "`tiny`, MODEL/TAG of open_clip (as RN101/openai), `hf-hub:OWNER/NAME`, or a local pair CONFIG.json:WEIGHTS.safetensors"


@dataclass(frozen=True)
class Source:
    """Where a backbone comes from."""

    spec: str
    config: dict[str, Any]
    """open_clip's model configuration: embed_dim, vision_cfg, text_cfg."""
    preprocess: dict[str, Any] = field(default_factory=dict)
    """mean, std and interpolation where they differ from CLIP's."""
    weights: Path | None = None
    """The weights file; None for seeded random weights."""
    repository: str | None = None
    """The hub's repository that was named; None: none."""
    by_user: bool = True
    """Whether the user named all this; else of ``repository`` only what was fetched before is used."""

    def fingerprint(self) -> str:
        """Return a hash of configuration and weights, the same wherever the two files lie."""
        digest = hashlib.blake2b(json.dumps(self.config, sort_keys=True).encode(), digest_size=16)
        if self.weights is None:
            digest.update(f"random weights of torch {torch.__version__}".encode())
        else:
            status = self.weights.stat()
            digest.update(_file_digest(self.weights, status.st_size, status.st_mtime_ns))
        return digest.hexdigest()


def resolve(spec: str, *, by_user: bool = True) -> Source:
    """Return the configuration and weights that ``spec`` names, fetching them if they are on a hub. Nothing is built.

    Args:
        spec: see :func:`taglens.backbones.openclip.load_backbone`.
        by_user: the user named it; False: a file did, such as a run folder, which may be a stranger's. Of a ``hf-hub:`` repository
            only what was fetched before is then used. Models of open_clip's own list are fetched in any case.

    Raises:
        BackboneError: the name is unknown, a file is missing or not a configuration, or the hub cannot be reached.
    """
    if spec == "tiny":
        return _local(spec, *tiny_files())
    if spec.startswith(RANDOM):
        name = spec.removeprefix(RANDOM)
        config, preprocess = _read_config(Path(name)) if name.endswith(".json") else (_named_config(spec, name), {})
        return Source(spec, config, preprocess)
    if spec.startswith(HUB):
        return _from_hub(spec, spec.removeprefix(HUB), by_user)
    if ".json:" in spec:
        config_name, _, weights_name = spec.partition(".json:")
        return _local(spec, Path(config_name + ".json").expanduser(), Path(weights_name).expanduser())
    if spec in BACKBONES:
        return replace(resolve(_other(spec, BACKBONES[spec]()), by_user=by_user), spec=spec)
    if spec.endswith((".json", ".safetensors", ".pt", ".bin")):
        raise BackboneError(f"backbone {spec!r} names one file; a local backbone is a pair, written CONFIG.json:WEIGHTS.safetensors")
    return _from_tag(spec)


def _other(name: str, meant: object) -> str:
    if not isinstance(meant, str) or meant == name:
        raise BackboneError(f"the plugin of backbone {name!r} returned {meant!r}; expected CONFIG.json:WEIGHTS.safetensors or {FORMS}")
    return meant


def tiny_files() -> tuple[Path, Path]:
    """Return the configuration (JSON) and the weights (safetensors, fp16) of ``tiny``.

    Raises:
        BackboneError: the package was installed without them.
    """
    for path in (TINY, TINY_WEIGHTS):
        if not path.is_file():
            raise BackboneError(
                f"the embedded backbone 'tiny' lacks {path.name} at {path.parent}; reinstall taglens or name another --backbone"
            )
    return TINY, TINY_WEIGHTS


def _local(spec: str, config_path: Path, weights: Path) -> Source:
    config, preprocess = _read_config(config_path)
    if not weights.is_file():
        raise BackboneError(f"backbone {spec!r}: no weights file at {weights}; check the part after the colon")
    return Source(spec, config, preprocess, weights)


def _read_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read open_clip's model configuration, or a hub's file that holds one under ``model_cfg``."""
    content = read_object(
        path,
        kind=BackboneError,
        damaged="expected an open_clip model configuration",
        missing="check the part before the colon",
        called=f"cannot read the backbone's configuration {path}",
    )
    config = content.get("model_cfg", content)
    if not isinstance(config, dict):
        raise BackboneError(f"{path}: model_cfg: expected an object, came {shown(config)}; expected an open_clip model configuration")
    absent = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in config]
    if absent:
        raise BackboneError(f"{path} is not an open_clip model configuration: it lacks {', '.join(absent)}")
    preprocess = content.get("preprocess_cfg", {})
    require_configuration(config, preprocess, path)
    return config, preprocess


def _named_config(spec: str, name: str) -> dict[str, Any]:
    # open_clip's function would also take folders and hub repositories, by a prefix
    plain, known = name.replace("/", "-"), open_clip.list_models()
    if plain not in known:
        raise _unknown(spec, name, known)
    config = dict(open_clip.get_model_config(plain))
    require_configuration(config, {}, f"open_clip's configuration of {plain}")
    return config


def _from_tag(spec: str) -> Source:
    name, _, tag = spec.rpartition("/")
    name = name.replace("/", "-")
    pairs = [f"{model}/{known}" for model, known in open_clip.list_pretrained()]
    entry = open_clip.get_pretrained_cfg(name, tag) if name else {}
    if not entry:
        of_model = [pair for pair in pairs if pair.rpartition("/")[0].lower() in (name.lower(), spec.lower())]
        raise _unknown(spec, spec, pairs, of_model)
    config = _named_config(spec, name)
    # A tag trained with the quick form of GELU is only right with it, whatever the model's plain configuration says.
    if entry.get("quick_gelu"):
        config["quick_gelu"] = True
    repository, _, file = str(entry.get("hf_hub", "")).rpartition("/")
    try:
        with _discreet():
            weights = Path(download_pretrained(entry))
    except Exception as error:
        raise _unreachable(spec, repository, file or "open_clip_model.safetensors", str(entry.get("url", "")), error) from error
    return Source(spec, config, entry, weights)


def _from_hub(spec: str, repository: str, by_user: bool) -> Source:
    try:
        with _discreet(offline=not by_user):
            config_path = Path(download_pretrained_from_hf(repository, filename="open_clip_config.json"))
            weights = Path(download_pretrained_from_hf(repository))
    except Exception as error:
        if not by_user:
            raise _unnamed(spec, repository) from error
        raise _unreachable(spec, repository, "open_clip_model.safetensors", "", error) from error
    config, preprocess = _read_config(config_path)
    return Source(spec, config, preprocess, weights, repository=repository, by_user=by_user)


@contextmanager
def _discreet(offline: bool = False) -> Iterator[None]:
    """Tell the hub no more than which file is wanted; look only at what was fetched before when its name cannot even be resolved,
    or if ``offline`` is asked for.

    Its client would otherwise send the versions installed here, and retry for a minute.
    """
    before, told = constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_DISABLE_TELEMETRY = True
    host = urlparse(constants.ENDPOINT).hostname
    try:
        if offline:
            constants.HF_HUB_OFFLINE = True
        elif not getproxies():
            socket.getaddrinfo(host, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY = before, told


def _unknown(spec: str, name: str, options: list[str], near: list[str] | None = None) -> BackboneError:
    by_lower = {option.lower(): option for option in options}
    close = near or [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=5, cutoff=0.4)]
    hint = f" near ones: {', '.join(close[:8])}." if close else ""
    return BackboneError(f"unknown backbone {spec!r};{hint} A backbone is {FORMS}")


def _unreachable(spec: str, repository: str, file: str, url: str, error: Exception) -> BackboneError:
    address = f"https://huggingface.co/{repository}" if repository else url
    config = "open_clip_config.json" if repository else "the model's configuration"
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].removesuffix(".")
    return BackboneError(
        f"cannot fetch backbone {spec!r} ({reason}). On a machine with access, fetch {config} and {file} from {address}, "
        f"copy them here and pass --backbone /path/open_clip_config.json:/path/{file}; for drawn things --backbone tiny needs no download"
    )


def _unnamed(spec: str, repository: str) -> BackboneError:
    return BackboneError(
        f"backbone {spec!r} is not on this machine, and nothing is downloaded because a file, such as a run folder, names it; "
        f"if you trust https://huggingface.co/{repository}, fetch it yourself: hf download {repository}"
    )


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, modified: int) -> bytes:
    # size and modified are part of the cache's key: a replaced file is read again.
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).digest()
