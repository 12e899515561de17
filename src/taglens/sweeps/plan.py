"""What a sweep consists of, and whether a folder belongs to it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taglens.errors import RunError, TagLensError
from taglens.labels.hiding import SettingName
from taglens.outputs import read_json, safe_name, write_json
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.record import differences, environment, plain
from taglens.sweeps.variants import Disguise, Variant, parse_variants
from taglens.training.config import TrainConfig

FORMAT = 1
SETTINGS_FILE = "sweep.json"
PROPORTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The field's shares of known labels."""
_PLACES = ("cache", "device")
"""Where data are computed and kept changes no result."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Every method at every amount of known labels with every seed, on the same data."""

    data: DataConfig
    methods: tuple[str, ...]
    """Methods, variants or groups, see ``taglens.sweeps.variants``."""
    known: tuple[float, ...] = PROPORTIONS
    """Amounts of the label setting: shares of known labels for ``proportion``."""
    seeds: int = 1
    """Seeds 0, 1, ...: each changes the hidden labels and the training alike."""
    setting: SettingName = "proportion"
    """How labels are hidden."""
    class_names: tuple[Disguise, ...] = ("own",)
    """How prompts call the classes; every method is run with each."""
    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of training for every method; seed s trains with this seed + s."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise TagLensError(f"--seeds is the number of repetitions, at least 1; came {self.seeds}")
        if not self.known or len(set(self.known)) < len(self.known):
            raise TagLensError(f"--known needs one or more different amounts, came {self.known}")
        if not self.class_names or len(set(self.class_names)) < len(self.class_names):
            raise TagLensError(f"--class-names needs one or more different ways, came {self.class_names}")
        if self.setting == "proportion" and not all(0 < amount <= 1 for amount in self.known):
            raise TagLensError(f"--known are shares above 0 and at most 1, such as 0.1 0.5; came {self.known}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of a sweep."""

    variant: Variant
    known: float
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{safe_name(self.variant.label)}-known{self.known:g}-seed{self.seed}"

    def config(self, sweep: SweepConfig) -> RunConfig:
        """Return the run in full; the seed changes the mask and the training together."""
        training = self.variant.train_config(sweep.training)
        return RunConfig(
            data=sweep.data,
            method=self.variant.method,
            method_options=dict(self.variant.options),
            known=self.known,
            setting=sweep.setting,
            seed=self.seed,
            training=dataclasses.replace(training, seed=training.seed + self.seed),
        )


def jobs_of(config: SweepConfig) -> tuple[Job, ...]:
    """Return the runs; the first seed comes first, so that its whole table is there early.

    Raises:
        TagLensError: an unknown method or option, or two methods whose runs would share a folder.
    """
    variants = parse_variants(config.methods, config.class_names)
    jobs = tuple(
        Job(variant=variant, known=known, seed=seed) for seed in range(config.seeds) for known in config.known for variant in variants
    )
    if len({job.name.casefold() for job in jobs}) < len(jobs):
        raise TagLensError("two methods would share a folder; give one of them a shorter name, as in LABEL=NAME[option=value]")
    return jobs


def describe(config: SweepConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of sweep.json; ``facts`` are hashes of what the data and the backbone really were."""
    variants = parse_variants(config.methods, config.class_names)
    return {
        "format": FORMAT,
        "settings": {
            "data": _data(config.data),
            "setting": config.setting,
            "training": plain(config.training),
            "methods": {variant.label: _variant(variant, config) for variant in variants},
            "found": plain(dict(facts)),
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
        if out.exists() and (not out.is_dir() or any(entry.name != ".lock" for entry in out.iterdir())):
            raise RunError(f"{out} exists and holds no sweep (no {SETTINGS_FILE}); choose another --out")
        write_json(path, dict(description))
        return False
    found = _differences(read_description(out), description)
    if found:
        listed = "\n  ".join(found)
        raise RunError(f"{out} holds a sweep of other settings:\n  {listed}\nchoose another --out, or ask for the same settings")
    write_json(path, dict(description))
    return True


def read_description(folder: Path) -> dict[str, Any]:
    """Return sweep.json.

    Raises:
        RunError: it is missing, damaged or of another format.
    """
    path = folder / SETTINGS_FILE
    try:
        found = read_json(path)
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; expected the folder of a sweep (taglens sweep ... --out FOLDER)") from error
    except ValueError as error:
        raise RunError(f"{path}: not JSON ({error}); delete the folder and sweep again") from error
    if not isinstance(found, dict) or not {"settings", "grid"} <= found.keys() or found.get("format") != FORMAT:
        raise RunError(f"{path}: not the settings of a sweep in format {FORMAT}; it was written by another version of TagLens")
    return found


def _data(data: DataConfig) -> dict[str, Any]:
    return {name: value for name, value in plain(data).items() if name not in _PLACES}


def _variant(variant: Variant, config: SweepConfig) -> dict[str, Any]:
    """Every option with its value: a changed default is a difference too."""
    options = plain(variant.config())
    training = {name: value for name, value in plain(variant.train_config(config.training)).items() if name in variant.training}
    return {"method": variant.method, "options": options, "training": training, "class_names": variant.class_names}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    added = [name for name in now["grid"]["methods"] if name not in before["grid"]["methods"]]
    # a setting that the folder's version did not have is its default
    settings = before["settings"] | {"data": _data(DataConfig(data="")) | before["settings"]["data"]}
    lines = differences(settings, now["settings"], apart=tuple(f"methods.{name}." for name in added))
    missing = [value for value in before["grid"]["known"] if value not in now["grid"]["known"]]
    lines += [f"known: {before['grid']['known']} in the folder, {now['grid']['known']} now"] * bool(missing)
    lines += [f"seeds: {before['grid']['seeds']} in the folder, {now['grid']['seeds']} now"] * (
        before["grid"]["seeds"] > now["grid"]["seeds"]
    )
    return lines
