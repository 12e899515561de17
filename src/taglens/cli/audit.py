"""``taglens audit RUN FILLED``: a bound for the filled cells that holds whatever way the known labels came about."""

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from taglens.cli.console import output, say, say_next, warn
from taglens.cli.options import require_free
from taglens.cli.review import user_name
from taglens.errors import TagLensError

if TYPE_CHECKING:
    from taglens.completion.audit.sample import Sample
    from taglens.completion.earlier import Earlier
    from taglens.labels.table import LabelTable


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Check filled cells by hand: a random sample of them is asked about on a local web page, which says nothing of what a model thinks.

    The answers bound how many of all filled cells are right, whatever way the known labels came about. Every answer is written at once
    to a journal beside the table, so that the same command goes on after a break.

        $ taglens audit runs/mine done/labels.csv
        $ taglens audit runs/mine done/labels.csv --report
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """The run that filled the cells, as the table's sources name it; its newest completion. The model itself is not asked."""
    table: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILLED")]
    """A table that `taglens complete` wrote."""
    value: Literal["present", "absent"] = "present"
    """Audit the cells that were filled as present, or those as absent."""
    time: str | None = None
    """Audit the run's completion of this time, such as 2026-11-21T11:00:00Z; none: its newest."""
    precision: float | None = None
    """Share of the filled cells that must be right; none: what the completion was asked for."""
    confidence: float | None = None
    """How sure the bound must be, such as 0.9; none: what the completion was asked for."""
    answers: int | None = None
    """Questions to ask; none: as many as let some wrong answers pass, at most about 150 where that is enough."""
    seed: int | None = None
    """Seed of the draw; none: 0."""
    report: bool = False
    """Serve nothing: say what the answers in the journal show."""
    apply: Path | None = None
    """Serve nothing: write the table to this file with the answers in it, as reviewed."""
    force: bool = False
    """Replace the table of --apply."""
    by: str | None = None
    """Your name in the table's sources; none: the name you are logged in by."""
    images: Path | None = None
    """Folder of the pictures; none: the folder of the table."""
    host: str = "127.0.0.1"
    """Address to listen at; another than this machine's own lets others answer too."""
    port: int = 8014
    """Port to listen at; 0: any free one."""
    browser: bool = True
    """Open the page in the browser."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise TagLensError(f"--port must lie between 0 and 65535, came {self.port}")
        if self.by is not None and (not self.by.strip() or "|" in self.by or self.by != self.by.strip()):
            raise TagLensError(f"--by must be a name without '|' and outer space, came {self.by!r}")


def run(config: Audit) -> int:
    """Serve the page, or report and apply; then say what the answers show and keep it beside the table."""
    from taglens.completion.audit.files import journal_path
    from taglens.labels.table import LabelTable

    if config.apply is not None:
        require_free(config.apply, force=config.force)
    table = LabelTable.read(config.table, config.images)
    journal = journal_path(config.table, config.value)
    if config.report or config.apply is not None:
        completion, sample = _drawn(config, table, journal, new=False)
    else:
        completion, sample = _serve(config, table, journal)
    _conclude(config, table, journal, completion, sample)
    return 0


def _drawn(config: Audit, table: "LabelTable", journal: Path, *, new: bool) -> tuple["Earlier", "Sample"]:
    """Return the sample that was drawn before, or draw it where ``new`` says so."""
    from taglens.completion.audit.files import record_path
    from taglens.completion.audit.plan import continue_audit, start_audit

    given = {name: getattr(config, name) for name in ("precision", "confidence", "answers", "seed")}
    record = record_path(config.table, config.value)
    if record.is_file():
        return continue_audit(config.table, table, config.run, config.time, config.value, given)
    if not new:
        raise TagLensError(f"{record}: no audit of these cells has begun; run the same command without --report and --apply")
    if journal.exists():
        raise TagLensError(f"{journal}: answers without the sample that they are about; restore {record.name}, or move them away")
    return start_audit(config.table, table, config.run, config.time, config.value, given)


def _serve(config: Audit, table: "LabelTable", journal: Path) -> tuple["Earlier", "Sample"]:
    from taglens.errors import JournalError
    from taglens.holding import hold
    from taglens.outputs import LOCK
    from taglens.review.audit import AuditQuestions, open_audit
    from taglens.review.audit_app import serve_audit
    from taglens.review.pictures import TablePictures
    from taglens.review.start import require_pictures
    from taglens.web.hosts import is_loopback
    from taglens.web.server import listen

    require_pictures(table)
    busy = JournalError(f"{journal} is in use by another taglens audit; use its page")
    with listen(config.host, config.port) as listening, hold(journal.with_name(f".{journal.name}{LOCK}"), busy):
        completion, sample = _drawn(config, table, journal, new=True)
        by = config.by or user_name()
        session = open_audit(
            AuditQuestions(
                table=table, cells=sample.cells, sample=sample.name, run=sample.run, data=config.table, journal=journal.resolve(), by=by
            )
        )
        questions = f"{len(sample.cells):,} questions about {sample.filled:,} cells filled as {sample.asked.value}"
        say(f"{questions}, {len(session.state.settled()):,} of them answered")
        if not is_loopback(config.host):
            warn(f"everybody who can reach {config.host} can see the pictures and answer")
        serve_audit(session, TablePictures(session.state.table), listening, config.host, lambda url: _ready(url, config.browser))
    return completion, sample


def _ready(url: str, browser: bool) -> None:
    say(f"audit at {url}   (Ctrl-C ends it and prints the bound; every answer is on disk)")
    if browser:
        webbrowser.open(url)


def _conclude(config: Audit, table: "LabelTable", journal: Path, completion: "Earlier", sample: "Sample") -> None:
    from taglens.completion.audit.files import enter_audit, record_path, write_record
    from taglens.completion.audit.plan import require_unchanged
    from taglens.completion.audit.result import ASSUMPTION, judge, statement, verdict
    from taglens.review.audit import apply_answers, read_answers

    require_unchanged(config.table, sample, record_path(config.table, config.value))
    answers = read_answers(journal, sample.name)
    replies = {cell: answer.reply for cell, answer in answers.items()}
    result = judge(sample, replies)
    record = record_path(config.table, config.value)
    write_record(record, sample, result, replies)
    entered = enter_audit(config.table, completion, result)
    output().print(statement(result), soft_wrap=True, markup=False)
    output().print(f"{verdict(result)}. {ASSUMPTION}", soft_wrap=True, markup=False)
    if result.later:
        warn(f"{result.later:,} answers behind an open question are not used: answer that one")
    say(f"wrote {record}" + (", and entered it in completion.json" if entered else "; there is no completion.json about this completion"))
    if config.apply is not None:
        applied = apply_answers(table, answers, config.apply, force=config.force)
        say(f"wrote {config.apply}: {applied:,} reviewed labels")
    elif not result.complete:
        images = () if config.images is None else ("--images", str(config.images))
        value = () if config.value == "present" else ("--value", config.value)
        say_next("audit", config.run, str(config.table), *value, *images)
