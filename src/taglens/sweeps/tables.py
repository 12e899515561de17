"""The table of the papers: methods by share of known labels and their average, beside published rows; Markdown, CSV and LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taglens.outputs import csv_text


@dataclass(frozen=True)
class PublishedRow:
    """One method's row."""

    name: str
    scores: Sequence[float | None]
    """mAP in percent at 10 .. 90 %."""
    average: float


PUBLISHED_KNOWN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_NONE = (None,) * 9

PUBLISHED: Mapping[str, Sequence[PublishedRow]] = {
    "coco2014": (
        PublishedRow("SST", (68.1, 73.5, 75.9, 77.3, 78.1, 78.9, 79.2, 79.6, 79.9), 76.7),
        PublishedRow("SARB", (71.2, 75.0, 77.1, 78.3, 78.9, 79.6, 79.8, 80.5, 80.5), 77.9),
        PublishedRow("DualCoOp", (78.7, 80.9, 81.7, 82.0, 82.5, 82.7, 82.8, 83.0, 83.1), 81.9),
        PublishedRow("vision-only linear", (78.9, 80.6, 81.3, 81.9, 82.7, 82.8, 82.9, 83.2, 83.5), 82.0),
        PublishedRow("SCPNet", (80.3, 82.2, 82.8, 83.4, 83.8, 83.9, 84.0, 84.1, 84.2), 83.2),
        PublishedRow("PositiveCoOp", (79.8, 82.1, 83.0, 83.5, 83.7, 83.9, 84.0, 84.2, 84.4), 83.2),
        PublishedRow("DualCoOp + TaI-DPT", _NONE, 83.6),
    ),
    "voc2007": (
        PublishedRow("SST", (81.5, 89.0, 90.3, 91.0, 91.6, 92.0, 92.5, 92.6, 92.7), 90.4),
        PublishedRow("SARB", (83.5, 88.6, 90.7, 91.4, 91.9, 92.2, 92.6, 92.8, 92.9), 90.7),
        PublishedRow("DualCoOp", (90.3, 92.2, 92.8, 93.3, 93.6, 93.9, 94.0, 94.1, 94.2), 93.2),
        PublishedRow("SCPNet", (91.1, 92.8, 93.5, 93.6, 93.8, 94.0, 94.1, 94.2, 94.3), 93.5),
        PublishedRow("PositiveCoOp", (91.4, 92.8, 93.4, 93.6, 93.8, 94.0, 94.2, 94.2, 94.3), 93.6),
        PublishedRow("DualCoOp + TaI-DPT", (93.3, *_NONE[1:]), 94.8),
    ),
}
"""Data set -> rows."""


@dataclass(frozen=True)
class Cell:
    """A mean over seeds, percent."""

    mean: float
    deviation: float | None = None
    """Sample standard deviation over the seeds; None with fewer than two."""
    best: bool = False
    """The highest mean of our methods in its column."""


@dataclass(frozen=True)
class TableRow:
    """One method; the last cell is the average."""

    name: str
    cells: Sequence[Cell | None]
    published: bool = False


@dataclass(frozen=True, eq=False)
class Grid:
    """One metric of every run."""

    methods: Sequence[str]
    known: Sequence[float]
    seeds: Sequence[int]
    values: Mapping[tuple[str, float, int], float]
    shares: bool = True
    """Whether the amounts are shares of the labels."""

    @property
    def headings(self) -> list[str]:
        """Column headings: "10 %" for shares, the bare amount otherwise."""
        return [self.heading(known) for known in self.known]

    def heading(self, known: float) -> str:
        """Return the heading of an amount."""
        return f"{100 * known:g} %" if self.shares else f"{known:g}"

    def at(self, method: str, known: float) -> list[float]:
        """Return the values of the seeds that are there."""
        return [self.values[method, known, seed] for seed in self.seeds if (method, known, seed) in self.values]

    def averages(self, method: str) -> list[float]:
        """Return each seed's mean over the amounts, for the seeds that have all of them."""
        complete = [seed for seed in self.seeds if all((method, known, seed) in self.values for known in self.known)]
        return [float(np.mean([self.values[method, known, seed] for known in self.known])) for seed in complete]

    def overall(self, method: str) -> float:
        """Return the mean of whatever is there, to rank methods by."""
        found = [value for (name, _, _), value in self.values.items() if name == method]
        return float(np.mean(found)) if found else float("-inf")


def table_rows(grid: Grid, published: Sequence[PublishedRow] = ()) -> list[TableRow]:
    """Return the published rows, if any, and ours; the best of ours is marked in each column.

    Columns are the grid's amounts and their average. A published average is over 10 .. 90 % and shown only where ours is too.
    """
    ours = [[_cell(grid.at(name, known)) for known in grid.known] + [_cell(grid.averages(name))] for name in grid.methods]
    best = [max((cell.mean for cell in column if cell), default=None) for column in zip(*ours, strict=True)]
    marked = [
        [cell and Cell(cell.mean, cell.deviation, len(ours) > 1 and cell.mean == top) for cell, top in zip(row, best, strict=True)]
        for row in ours
    ]
    rows = [TableRow(name, cells) for name, cells in zip(grid.methods, marked, strict=True)]
    return [_published(row, grid) for row in published] + rows


def published_rows(settings: Mapping[str, Any], metric: str) -> Sequence[PublishedRow]:
    """Return the published rows that a sweep with these settings (of sweep.json) may be compared with, mostly none.

    The data set, the backbone (RN101 of OpenAI at 448 pixels), the way of hiding labels and the metric must all be the published ones.
    """
    data = settings["data"]
    same = (
        metric == "mAP"
        and settings["setting"] == "proportion"
        and data["backbone"].startswith("RN101/openai")
        and data["image_size"] == 448
        and data["options"]["split"] is None
    )
    return PUBLISHED.get(data["data"].partition(":")[0], ()) if same else ()


def markdown(grid: Grid, rows: Sequence[TableRow]) -> str:
    """Return the table in Markdown."""
    lines = [["Method", *grid.headings, "average"], ["---", *["---:"] * (len(grid.known) + 1)]]
    for row in rows:
        name = row.name.replace("|", "\\|") + (" (published)" if row.published else "")
        lines.append([name, *(_bold(text(cell), cell, "**{}**") for cell in row.cells)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table_csv(grid: Grid, rows: Sequence[TableRow]) -> str:
    """Return the table as CSV: means and deviations in columns of their own, all digits."""
    names = [*(f"{known:g}" for known in grid.known), "average"]
    lines = []
    for row in rows:
        values = [value for cell in row.cells for value in ((cell.mean, cell.deviation) if cell else (None, None))]
        source = "published" if row.published else "taglens"
        lines.append([row.name, source, *("" if value is None else f"{value:.4f}" for value in values)])
    return csv_text(["method", "source", *(name + end for name in names for end in ("", "_deviation"))], lines)


def latex(grid: Grid, rows: Sequence[TableRow], caption: str) -> str:
    r"""Return the table in LaTeX; it needs \usepackage{booktabs}."""
    columns = "l" + "r" * (len(grid.known) + 1)
    head = " & ".join(["Method", *(escape_latex(heading) for heading in grid.headings), "average"])
    body = []
    for number, row in enumerate(rows):
        if number and rows[number - 1].published and not row.published:
            body.append(r"\midrule")
        cells = [_bold(text(cell, r" {\scriptsize $\pm$ ", "}", none="--"), cell, r"\textbf{{{}}}") for cell in row.cells]
        body.append(" & ".join([escape_latex(row.name), *cells]) + r" \\")
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption)}}}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule",
        head + r" \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def text(cell: Cell | None, before: str = " ± ", after: str = "", none: str = "–") -> str:
    """Return a cell as people read it: 47.5 ± 0.4."""
    if cell is None:
        return none
    return f"{cell.mean:.1f}" + ("" if cell.deviation is None else f"{before}{cell.deviation:.1f}{after}")


def escape_latex(words: str) -> str:
    r"""Return a text with every sign escaped that LaTeX reads as a command.

    >>> escape_latex("semantic_aware, 10 %")
    'semantic\\_aware, 10 \\%'
    """
    signs = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(signs.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in words)


def _cell(values: Sequence[float]) -> Cell | None:
    if not values:
        return None
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def _published(row: PublishedRow, grid: Grid) -> TableRow:
    scores = dict(zip(PUBLISHED_KNOWN, row.scores, strict=True))
    cells = [None if (score := scores.get(known)) is None else Cell(score) for known in grid.known]
    whole = tuple(grid.known) == PUBLISHED_KNOWN
    return TableRow(row.name, [*cells, Cell(row.average) if whole else None], published=True)


def _bold(shown: str, cell: Cell | None, form: str) -> str:
    return form.format(shown) if cell is not None and cell.best else shown
