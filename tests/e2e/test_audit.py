"""Complete, audit and revert from the command line: drawn, asked blindly, killed, gone on with, reported, kept, refused, taken back."""

import json
import re
import shutil

import httpx
import numpy as np
import pytest

from taglens.cli.main import main
from taglens.completion.audit.plan import start_audit
from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.hiding import keep_known
from taglens.labels.table import LabelTable
from taglens.review.journal import read_journal
from tests.e2e.review_server import serving

ANSWERS = 24


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes"), 200, seed=5)


@pytest.fixture(scope="module")
def run(truth):
    folder = truth.root
    truth.with_labels(keep_known(truth.labels, 0.4, seed=1)).write(folder / "labels.csv", force=True)
    quick = ["--backbone", "tiny", "--method", "linear_probe"]
    assert main(["train", str(folder / "labels.csv"), "--out", str(folder / "run"), *quick]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def completed(run):
    """What is filled does not matter here, only that much is, as present and as absent."""
    folder = run.parent
    asked = ["--precision", "0.6", "--npv", "0.8", "--guarantee", "audit"]
    assert main(["complete", str(run), str(folder / "labels.csv"), "--out", str(folder / "done" / "labels.csv"), *asked]) == 0
    return folder / "done"


@pytest.fixture
def filled(completed, tmp_path):
    """The completed table in a folder beside the other, so that it finds its pictures."""
    folder = completed.parent / f"copy-{tmp_path.name}"
    shutil.copytree(completed, folder)
    yield folder / "labels.csv"
    shutil.rmtree(folder)


def answer(server, truth, count, first=0):
    """Answer as somebody who knows the truth; return the questions."""
    client = httpx.Client(base_url=server.url)
    session = client.get("/api/session").json()
    assert session["mode"] == "audit"
    asked = []
    for number in range(first, first + count):
        cell = client.get("/api/queue", params={"count": 1}).json()["cells"][0]
        assert set(cell) == {"image", "label", "name", "class"}
        seen = truth.labels.values[[name.rpartition("/")[2] for name in truth.images].index(cell["name"].rpartition("/")[2])]
        word = "yes" if seen[truth.classes.index(cell["class"])] == 1 else "no"
        body = {"action": f"action-{number:03}", "tab": "tab-0001", "image": cell["image"], "label": cell["label"], "reply": word}
        told = client.post("/api/answers", json=body, headers={"x-taglens-token": session["token"]})
        assert told.json()["progress"]["answered"] == number + 1
        asked.append((cell["name"], cell["class"], word))
    return asked


def told(capsys):
    captured = capsys.readouterr()
    return " ".join(captured.out.split()), " ".join(captured.err.split())


def test_asked_blindly_killed_gone_on_with_and_kept(run, filled, truth, capsys):
    options = ("--answers", str(ANSWERS))
    with serving(run, filled, *options, verb="audit") as server:
        asked = answer(server, truth, 10)
        server.kill()
    assert main(["audit", str(run), str(filled), "--report"]) == 0
    out, err = told(capsys)
    assert f"unfinished: 10 of {ANSWERS} questions answered" in out
    assert "next: taglens audit" in err
    with serving(run, filled, verb="audit") as server:
        asked += answer(server, truth, ANSWERS - 10, first=10)
        assert httpx.get(f"{server.url}api/queue").json()["cells"] == []
        assert main(["audit", str(run), str(filled), "--no-browser", "--port", "0"]) == 2
        assert "is in use by another taglens audit" in told(capsys)[1]
        assert server.interrupt()[0] == 0
    assert len({cell[:2] for cell in asked}) == ANSWERS

    right = sum(word == "yes" for *_, word in asked)
    table = LabelTable.read(filled)
    present = int((table.of_kind("predicted") & table.labels.positive).sum())
    record = json.loads(filled.with_name("labels.audit.json").read_text())
    (entry,) = json.loads(filled.with_name("completion.json").read_text())["audits"]
    for found in (record["result"], entry):
        assert (found["filled"], found["right"], found["wrong"], found["unanswered"]) == (present, right, ANSWERS - right, 0)
        assert (found["confidence"], found["complete"]) == (0.9, True)
        assert found["right_at_least"] <= present * found["precision"] + 1
    assert [(one["image"], one["class"], one["reply"]) for one in record["questions"]] == asked
    assert (entry["asked"], entry["seed"], entry["table_hash"]) == (0.6, 0, record["table_hash"])

    assert main(["audit", str(run), str(filled), "--report"]) == 0
    out, _ = told(capsys)
    share = re.search(r"at least ([\d.]+) % are right \(90 % confidence\), whatever way the labels came about", out)[1]
    assert f"of the {present:,} cells filled as present" in out
    assert f"{right} of {ANSWERS} answers agreed" in out
    assert float(share) == pytest.approx(100 * entry["precision"], abs=0.1)
    assert len(json.loads(filled.with_name("completion.json").read_text())["audits"]) == 1, "the same sample is entered once"


def test_absent_cells_have_an_audit_of_their_own_and_answers_go_into_a_table(run, filled, truth, capsys):
    with serving(run, filled, "--value", "absent", "--answers", "6", verb="audit") as server:
        asked = answer(server, truth, 6)
        assert server.interrupt()[0] == 0
    assert filled.with_name("labels.audit-absent.json").is_file()
    out = filled.with_name("applied.csv")
    assert main(["audit", str(run), str(filled), "--value", "absent", "--apply", str(out)]) == 0
    said = told(capsys)
    right = sum(word == "no" for *_, word in asked)
    assert f"{right} of 6 answers agreed" in said[0]
    assert "6 reviewed labels" in said[1]
    before, after = LabelTable.read(filled), LabelTable.read(out)
    for image, name, word in asked:
        place = after.images.index(image), after.classes.index(name)
        assert after.labels.values[place] == (word == "yes")
        assert after.origins[after.origin_index[place]][:2] == ("reviewed", "ada")
    assert after.of_kind("reviewed").sum() == 6
    assert main(["audit", str(run), str(filled), "--value", "absent", "--apply", str(out)]) == 2
    assert "exists already" in told(capsys)[1]
    assert main(["revert", str(out), "--run", str(run)]) == 0
    assert "6 of the" in told(capsys)[1], "of what was filled, six cells were reviewed since"
    reverted = LabelTable.read(out.with_name("applied.reverted.csv"))
    assert reverted.of_kind("reviewed").sum() == 6
    assert reverted.labels.known.sum() == (before.labels.known & ~before.of_kind("predicted")).sum() + 6


def begin(run, filled, **asked):
    """Draw the sample as the command does before it serves."""
    given = dict.fromkeys(("precision", "confidence", "answers", "seed")) | asked
    start_audit(filled, LabelTable.read(filled), str(run), None, "present", given)


def edited(filled):
    filled.write_text(filled.read_text().replace(",1,", ",0,", 1))


def forgotten(filled):
    filled.with_name("labels.audit.json").rename(filled.with_name("labels.audit.jsonl"))


def damaged(filled):
    path = filled.with_name("labels.audit.json")
    path.write_text(path.read_text().replace('"filled"', '"fillet"'))


REFUSED = {
    # what happened since, options, what is said
    "the table was edited": (edited, [], "is not the table any more that the sample in"),
    "more answers than were drawn": (
        None,
        ["--answers", "200"],
        "drawn for --answers 12, not 200; leave the option out, or move labels.audit",
    ),
    "another precision": (None, ["--precision", "0.5"], "drawn for --precision 0.6, not 0.5"),
    "another seed": (None, ["--seed", "3"], "drawn for --seed 0, not 3"),
    "the sample is gone": (forgotten, [], "answers without the sample that they are about; restore labels.audit.json"),
    "the sample is damaged": (damaged, [], "labels.audit.json: the field 'filled' is missing"),
    "another run": (None, ["RUN"], "no cell was filled by nobody at "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_void_the_bound_is_refused(run, filled, capsys, name):
    change, options, said = REFUSED[name]
    begin(run, filled, answers=12)
    if change is not None:
        change(filled)
    words = ["nobody"] if options == ["RUN"] else [str(run), *options]
    assert main(["audit", words[0], str(filled), "--no-browser", "--port", "0", *words[1:]]) == 2
    assert said in told(capsys)[1]


def test_a_report_before_any_question_and_a_table_without_its_statement(run, filled, capsys):
    assert main(["audit", str(run), str(filled), "--report"]) == 2
    assert "no audit of these cells has begun" in told(capsys)[1]
    filled.with_name("completion.json").unlink()
    assert main(["audit", str(run), str(filled), "--no-browser", "--port", "0"]) == 2
    assert "says which precision was asked for; name it, such as --precision 0.9" in told(capsys)[1]
    begin(run, filled, precision=0.5, confidence=0.8, answers=5)
    assert main(["audit", str(run), str(filled), "--report"]) == 0
    out, err = told(capsys)
    assert "none of the 5 questions is answered" in out
    assert "there is no completion.json about this completion" in err


def test_completing_and_reverting_gives_back_table_and_file(run, completed):
    before, back = run.parent / "labels.csv", run.parent / "back.csv"
    assert main(["revert", str(completed / "labels.csv"), "--run", str(run), "--out", str(back)]) == 0
    assert LabelTable.read(back) == LabelTable.read(before)
    assert back.read_bytes() == before.read_bytes()
    assert np.isfinite(LabelTable.read(completed / "labels.csv").probabilities).any()


def test_the_journal_says_what_the_table_said(run, filled, truth):
    with serving(run, filled, "--answers", "3", verb="audit") as server:
        answer(server, truth, 3)
        server.interrupt()
    assert {entry.was for entry in read_journal(filled.with_name("labels.audit.jsonl")).entries} == {(1,)}
