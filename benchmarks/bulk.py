"""``python -m benchmarks.bulk [--count 20000] [--out FILE]``: bulk prediction, killed at random and begun again, and on Ray.

The output of a prediction that was killed several times must equal that of an uninterrupted one, byte for byte after sorting, and so
must that of Ray's workers.
"""

import argparse
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from benchmarks.serving_uploads import pictures
from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import SCENE_CLASSES
from taglens.export.onnx_file import export_onnx
from taglens.export.options import ExportOptions
from taglens.methods import method_config
from taglens.recognizer import Recognizer

DRAWN, SIDE, SPOILT = 64, 32, 97
"""Different pictures, their side in pixels, and every how manieth is cut off."""


def make_model(folder: Path) -> Path:
    """Export a recogniser on the built-in backbone, at 64 pixels to be quick."""
    recognizer = Recognizer.create(
        load_backbone("tiny", image_size=64), "zero_shot", method_config("zero_shot")(), SCENE_CLASSES, SCENE_CLASSES
    )
    check = folder / "check.jpg"
    check.write_bytes(pictures(1, SIDE)[0])
    return export_onnx(recognizer, folder / "model.onnx", [check], options=ExportOptions(heatmaps=False)).path


def make_pictures(folder: Path, count: int, archive: int = 500) -> list[str]:
    """Write half of ``count`` pictures as files, a quarter into tar archives and a quarter into Parquet; return what names them all."""
    drawn = pictures(DRAWN, SIDE)
    contents = [drawn[place % DRAWN][: 200 if place % SPOILT == 0 else None] for place in range(count)]
    files, packed = contents[: count // 2], contents[count // 2 :]
    (folder / "files").mkdir(parents=True)
    for place, content in enumerate(files):
        (folder / "files" / f"{place:06}.jpg").write_bytes(content)
    tars, rows = packed[: len(packed) // 2], packed[len(packed) // 2 :]
    for start in range(0, len(tars), archive):
        _write_tar(folder / f"shard-{start // archive:04}.tar", tars[start : start + archive])
    table = pa.table({"key": range(len(rows)), "image": [{"bytes": content, "path": None} for content in rows]})
    pq.write_table(table, folder / "rows.parquet", row_group_size=archive)
    return [str(folder / "files"), str(folder / "shard-*.tar"), str(folder / "rows.parquet")]


def _write_tar(path: Path, contents: list[bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for place, content in enumerate(contents):
            member = tarfile.TarInfo(f"{place:06}.jpg")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))


@dataclass
class Prediction:
    """One bulk prediction as a process."""

    model: Path
    inputs: list[str]
    out: Path
    options: list[str] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        """Begin, or go on."""
        command = [sys.executable, "-m", "taglens.cli.main", "bulk", str(self.model), *self.inputs, "--out", str(self.out)]
        return subprocess.Popen([*command, *self.options], stderr=subprocess.DEVNULL)

    def finish(self) -> float:
        """Run to the end and return the seconds it took."""
        start = time.perf_counter()
        status = self.start().wait()
        if status:
            raise SystemExit(f"taglens bulk ended with {status}")
        return time.perf_counter() - start

    def finish_killed(self, kills: int, parts: int, seed: int = 0) -> int:
        """Kill it that many times at random moments, each after at least one more part, then run to the end; return the kills."""
        moments = random.Random(seed)
        done_at = sorted(moments.sample(range(1, parts - 1), kills))
        for wanted in done_at:
            process = self.start()
            while self._done() < wanted and process.poll() is None:
                time.sleep(0.005)
            time.sleep(moments.random() * 0.1)
            process.kill()
            if process.wait() == 0:
                raise SystemExit("it was quicker than the kill: use more pictures")
        self.finish()
        return len(done_at)

    def _done(self) -> int:
        return len(list(self.out.glob("part-*.parquet")))

    def rows(self) -> pa.Table:
        """Return the whole output, sorted by picture."""
        return pyarrow.dataset.dataset(self.out, format="parquet").to_table().sort_by("image")


def content(table: pa.Table) -> bytes:
    """Return a table's bytes."""
    sink = pa.BufferOutputStream()
    whole = table.combine_chunks()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    return bytes(sink.getvalue())


def complaint(whole: pa.Table, other: pa.Table, count: int) -> str:
    """Say what is wrong with ``other`` compared with an uninterrupted prediction; empty if nothing is."""
    if len(other) != count or len(set(other["image"].to_pylist())) != count:
        return f"expected {count} different pictures, came {len(other)} rows"
    return "" if content(whole) == content(other) else "the bytes differ"


def main() -> int:
    """Return 0 if every output is the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--shards", type=int, default=500, help="pictures in a part")
    parser.add_argument("--ray", action="store_true", help="also on Ray with two workers")
    parser.add_argument("--out", type=Path, help="also write the lines into this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, inputs = make_model(folder), make_pictures(folder / "pictures", given.count)
        options = ["--shards", str(given.shards), "--threads", "1"]
        whole = Prediction(model, inputs, folder / "whole", options)
        took = whole.finish()
        bad = whole.rows()["error"].drop_null()
        lines = [
            f"{given.count:,} pictures uninterrupted: {took:.0f} s, {given.count / took:.0f}/s; {len(bad):,} unreadable, with the reason"
        ]
        killed = Prediction(model, inputs, folder / "killed", options)
        kills = killed.finish_killed(given.kills, len(list(whole.out.glob("part-*"))))
        others = {f"killed {kills} times and begun again": killed}
        if given.ray:
            others["Ray, two workers"] = Prediction(model, inputs, folder / "ray", [*options, "--engine", "ray", "--workers", "2"])
            others["Ray, two workers"].finish()
        found = {what: complaint(whole.rows(), other.rows(), given.count) for what, other in others.items()}
        lines += [f"{what}: {wrong or 'the same bytes after sorting, each picture once'}" for what, wrong in found.items()]
    text = "\n".join(f"- {line}" for line in lines)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    return int(any(found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
