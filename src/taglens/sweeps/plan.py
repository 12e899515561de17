"""What a sweep consists of, and whether a folder belongs to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taglens.errors import RunError, TagLensError
from taglens.outputs import contents, read_object, safe_name, write_json
from taglens.runs.config import DATA_BEFORE, DataConfig, RunConfig
from taglens.runs.record import differences, environment, to_json
from taglens.schema import items, mapping, maybe, record, require, text
from taglens.sweeps.config import SweepConfig
from taglens.sweeps.variants import Variant, parse_variants

FORMAT = 1
SETTINGS_FILE = "sweep.json"
BEFORE = {"tuning_fits": 0, "seeds": "of masks and training"}
"""Settings that earlier versions did not write, as they were then."""
_ELSEWHERE = ("cache", "device", "map")
"""Where data are computed and kept changes no result; which map was asked for neither: the one that was used is among what was found."""


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """One run of a sweep."""

    variant: Variant
    known: float
    seed: int
    """Seed of the hidden labels."""
    tuning: Mapping[str, Any] | None = None
    """How the variant's settings were chosen, if they were."""

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{safe_name(self.variant.label)}-known{self.known:g}-seed{self.seed}"

    def config(self, sweep: SweepConfig) -> RunConfig:
        """Return the run in full."""
        return RunConfig(
            data=sweep.data,
            method=self.variant.method,
            method_options=dict(self.variant.options),
            known=self.known,
            setting=sweep.setting,
            seed=self.seed,
            training=self.variant.train_config(sweep.training),
        )


def runs_of(config: SweepConfig) -> tuple[SweepRun, ...]:
    """Return the runs; the first seed comes first, so that its whole table is there early.

    Raises:
        TagLensError: an unknown method or option, or two methods whose runs would share a folder.
    """
    variants = parse_variants(config.methods, config.class_names)
    runs = tuple(
        SweepRun(variant=variant, known=known, seed=seed) for seed in range(config.seeds) for known in config.known for variant in variants
    )
    if len({run.name.casefold() for run in runs}) < len(runs):
        raise TagLensError("two methods would share a folder; give one of them a shorter name, as in LABEL=NAME[option=value]")
    return runs


def describe(config: SweepConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of sweep.json; ``facts`` are hashes of what the data and the backbone really were."""
    variants = parse_variants(config.methods, config.class_names)
    return {
        "format": FORMAT,
        "settings": {
            "data": _data(config.data),
            "setting": config.setting,
            "training": to_json(config.training),
            "tuning_fits": config.tuning_fits,
            "seeds": "of masks",
            "methods": {variant.label: _variant(variant, config) for variant in variants},
            "found": to_json(dict(facts)),
        },
        "grid": {"methods": [variant.label for variant in variants], "known": list(config.known), "seeds": config.seeds},
        **environment(),
    }


def claim_folder(out: Path, description: Mapping[str, Any]) -> bool:
    """Make ``out`` the folder of this sweep; return whether it was that before.

    A sweep may grow by methods, amounts and seeds. Whatever else differs would mix results that cannot be compared.

    Raises:
        RunError: the folder holds a sweep of other settings (each difference is listed), or something else.
    """
    path = out / SETTINGS_FILE
    if not path.is_file():
        if out.exists() and (not out.is_dir() or contents(out)):
            raise RunError(f"{out} exists and holds no sweep (no {SETTINGS_FILE}); choose another --out")
        write_json(path, dict(description))
        return False
    found = _differences(read_description(out), description)
    if found:
        listed = "\n  ".join(found)
        raise RunError(f"{out} holds a sweep of other settings:\n  {listed}\nchoose another --out, or ask for the same settings")
    write_json(path, dict(description))
    return True


_DESCRIPTION = record(
    {
        "settings": record({"setting": text()}, ("setting",), others=True),
        "grid": record({"methods": items(text(), different=True)}, ("methods",), others=True),
        "tuning": record({"methods": mapping(record({"none": maybe(text())}, others=True))}, others=True),
    },
    others=True,
)
"""Of sweep.json, what is read back."""


def read_description(folder: Path) -> dict[str, Any]:
    """Return sweep.json.

    Raises:
        RunError: it is missing, damaged or of another format.
    """
    path = folder / SETTINGS_FILE
    other = f"not the settings of a sweep in format {FORMAT}; it was written by another version of TagLens"
    found = read_object(
        path,
        ("settings", "grid"),
        kind=RunError,
        missing="expected the folder of a sweep (taglens sweep ... --out FOLDER)",
        damaged="delete the folder and sweep again",
        other=other,
    )
    if found.get("format") != FORMAT:
        raise RunError(f"{path}: {other}")
    require(found, _DESCRIPTION, kind=RunError, name=path, advice="delete the folder and sweep again")
    return found


def _data(data: DataConfig) -> dict[str, Any]:
    return {name: value for name, value in to_json(data).items() if name not in _ELSEWHERE}


def _variant(variant: Variant, config: SweepConfig) -> dict[str, Any]:
    """Every option with its value: a changed default is a difference too."""
    options = to_json(variant.config())
    training = {name: value for name, value in to_json(variant.train_config(config.training)).items() if name in variant.training}
    return {"method": variant.method, "options": options, "training": training, "class_names": variant.class_names}


def _with_map(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the map that was used; earlier versions did not say it."""
    return {**settings, "found": DATA_BEFORE | settings["found"]}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    added = [name for name in now["grid"]["methods"] if name not in before["grid"]["methods"]]
    # a setting that the folder's version did not have is its default
    settings = BEFORE | _with_map(before["settings"]) | {"data": _data(DataConfig(data="")) | before["settings"]["data"]}
    lines = differences(settings, _with_map(now["settings"]), apart=tuple(f"methods.{name}." for name in added))
    missing = [value for value in before["grid"]["known"] if value not in now["grid"]["known"]]
    lines += [f"known: {before['grid']['known']} in the folder, {now['grid']['known']} now"] * bool(missing)
    lines += [f"seeds: {before['grid']['seeds']} in the folder, {now['grid']['seeds']} now"] * (
        before["grid"]["seeds"] > now["grid"]["seeds"]
    )
    return lines
