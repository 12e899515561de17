"""What a bulk prediction has to do, written down before it begins, so that a killed one goes on and each picture comes out once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from taglens.bulk.sources import BulkPart
from taglens.errors import OutputError
from taglens.outputs import atomic_path, contents

# Readers of Parquet folders pass over names that begin with an underscore.
PLAN = "_plan.parquet"
_SETTINGS = b"taglens"
_SCHEMA = pa.schema([("kind", pa.string()), ("places", pa.list_(pa.string()))])


@dataclass(frozen=True)
class BulkSettings:
    """What must be the same when a killed prediction goes on."""

    inputs: tuple[str, ...]
    size: int
    """Picture files in a part."""
    model: str
    """See :func:`taglens.inference.model.model_hash`."""
    batch: int


class BulkPlan:
    """The parts of the work in a folder; part N becomes ``part-N.parquet``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = pq.ParquetFile(folder / PLAN)

    @classmethod
    def open(cls, folder: Path, settings: BulkSettings, parts: Iterable[BulkPart]) -> "BulkPlan":
        """Read the plan that is in ``folder``, or write one; ``parts`` is looked at only then.

        Raises:
            OutputError: the plan there was made with other settings, or the folder holds something else.
        """
        if not (folder / PLAN).exists():
            if folder.exists() and (not folder.is_dir() or contents(folder)):
                raise OutputError(f"{folder} exists already and holds no bulk prediction; choose another --out")
            _write(folder / PLAN, settings, parts)
        plan = cls(folder)
        other = plan.differences(settings)
        if other:
            raise OutputError(f"{folder} was begun with another {' and '.join(other)}; choose another --out, or delete it to begin anew")
        return plan

    def __len__(self) -> int:
        return int(self._file.num_row_groups)

    def part(self, number: int) -> BulkPart:
        """Return part ``number``."""
        row = self._file.read_row_group(number).to_pylist()[0]
        return BulkPart(row["kind"], tuple(row["places"]))

    def target(self, number: int) -> Path:
        """Return where the predictions of part ``number`` go."""
        return self.folder / f"part-{number:06}.parquet"

    def remaining(self) -> list[int]:
        """Return the numbers of the parts that are not done."""
        return [number for number in range(len(self)) if not self.target(number).exists()]

    def tidy(self) -> None:
        """Delete what killed workers left half written, once all parts are done."""
        if not self.remaining():
            for left in self.folder.glob(".part-*.tmp.parquet"):
                left.unlink(missing_ok=True)

    def differences(self, settings: BulkSettings) -> Sequence[str]:
        """Return the names of the settings that differ from those the plan was made with."""
        made = json.loads(self._file.schema_arrow.metadata[_SETTINGS])
        wanted = json.loads(json.dumps(asdict(settings)))
        return [name for name in wanted if made.get(name) != wanted[name]]


def _write(path: Path, settings: BulkSettings, parts: Iterable[BulkPart]) -> None:
    schema = _SCHEMA.with_metadata({_SETTINGS: json.dumps(asdict(settings))})
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for part in parts:
            writer.write_table(pa.table({"kind": [part.kind], "places": [list(part.sources)]}, schema=schema))
