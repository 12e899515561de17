"""An audit's routes: what is asked in which order, and that nothing of the model or the table can be learnt from any of them."""

import json

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from taglens.errors import JournalError
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.audit import AuditQuestions, apply_answers, open_audit, read_answers
from taglens.review.audit_app import audit_app
from taglens.review.journal import read_journal
from taglens.review.pictures import TablePictures

CLASSES = ("red", "green", "blue")
TOKEN = "t" * 20
PROBABILITY = 0.8125
CELLS = (("4.png", "blue"), ("1.png", "red"), ("4.png", "red"), ("0.png", "green"))
"""The order of the sample; 2.png and 3.png are not in it."""


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        Image.new("RGB", (16, 12), (50 * number, 100, 20)).save(tmp_path / f"{number}.png")
    filled = np.zeros((5, 3), np.int16)
    filled[[4, 1, 4, 0, 2], [2, 0, 0, 1, 1]] = 1
    values = np.where(filled, 1, -1).astype(np.int8)
    values[3] = 0
    images = tuple(f"{number}.png" for number in range(5))
    shown = np.where(filled, np.float32(PROBABILITY), np.float32(np.nan))
    origins = (Origin("given"), Origin("predicted", "runs/secret", "2026-11-22T09:30:00Z"))
    LabelTable(images, CLASSES, PartialLabels(values), origins=origins, origin_index=filled, probabilities=shown).write(
        tmp_path / "labels.csv"
    )
    return tmp_path


def session_in(folder, cells=CELLS, sample="sample-hash"):
    return open_audit(
        AuditQuestions(
            table=LabelTable.read(folder / "labels.csv"),
            cells=cells,
            sample=sample,
            run="runs/secret",
            data=folder / "labels.csv",
            journal=folder / "labels.audit.jsonl",
            by="ada",
        )
    )


def client_of(session):
    app = audit_app(session, TablePictures(session.state.table), token=TOKEN, hosts=["127.0.0.1"])
    headers = {"x-taglens-token": TOKEN}
    return TestClient(app, base_url="http://127.0.0.1:8014", headers=headers, raise_server_exceptions=False)


@pytest.fixture
def client(folder):
    return client_of(session_in(folder))


def questions(client, count=20):
    return [(cell["name"], cell["class"]) for cell in client.get("/api/queue", params={"count": count}).json()["cells"]]


def reply(client, place, word="yes", action="action-01"):
    cell = client.get("/api/queue").json()["cells"][place]
    body = {"action": action, "tab": "tab-0001", "image": cell["image"], "label": cell["label"], "reply": word}
    return client.post("/api/answers", json=body)


def test_questions_come_in_the_order_of_the_sample_and_none_other(client):
    assert questions(client) == list(CELLS)
    assert questions(client, count=2) == list(CELLS[:2])
    assert client.get("/api/queue", params={"kind": "suspected", "label": 1}).json() == client.get("/api/queue").json()
    reply(client, 1)
    assert questions(client) == [CELLS[0], CELLS[2], CELLS[3]]


def every_reply(client):
    """Everything that GET routes say, each asked with every number that could lead somewhere."""
    paths = [route.path for route in client.app.routes if "GET" in getattr(route, "methods", ())]
    assert {path.split("/")[2] for path in paths if path.startswith("/api/")} == {"session", "queue", "answers", "pictures"}
    for path in paths:
        if path.startswith("/api/") and "{" not in path:
            yield path, client.get(path).json()


@pytest.mark.parametrize("words", [[], ["yes"], ["yes", "no", "skip"]], ids=["none answered", "one", "three"])
def test_no_route_says_what_model_or_table_think_of_a_cell(client, words):
    for number, word in enumerate(words):
        told = reply(client, 0, word, f"action-{number:02}").json()
        assert set(told) == {"progress", "revision", "earlier"}
    allowed = {
        "/api/queue": {"image", "label", "name", "class"},
        "/api/answers": {"action", "label", "reply", "images", "image", "name", "by", "time"},
    }
    for path, found in every_reply(client):
        text = json.dumps(found)
        for secret in (
            "probability",
            "0.81",
            "kind",
            "filled",
            "predicted",
            "secret",
            "present",
            "absent",
            "suspect",
            "uncertain",
            "threshold",
        ):
            assert secret not in text, f"{path} says {secret}"
        entries = found["cells"] if path == "/api/queue" else found if path == "/api/answers" else []
        assert all(set(entry) == allowed[path] for entry in entries)
        if path == "/api/session":
            assert found["mode"] == "audit"


def test_the_page_looks_the_same_whatever_the_cell_was_filled_with(folder):
    """Filled as absent instead of present, at another probability: every reply is the same, byte for byte."""
    first = {path: found for path, found in every_reply(client_of(session_in(folder)))}
    text = (folder / "labels.csv").read_text().replace(str(PROBABILITY), "0.25")
    rows = [line.split(",") for line in text.splitlines()]
    (folder / "labels.csv").write_text("\n".join(",".join("0" if cell == "1" else cell for cell in row) for row in rows) + "\n")
    assert LabelTable.read(folder / "labels.csv").labels.values.max() == 0
    assert {path: found for path, found in every_reply(client_of(session_in(folder)))} == first


CLOSED = [
    ("get", "/api/pictures/0/heat/0", "a heatmap"),
    ("get", "/api/pictures/0/cells", "all tags of a picture"),
    ("get", "/api/labels", "counts of the table"),
    ("get", "/api/labels/0/cells", "a class's pictures"),
    ("get", "/api/labels/0/bulk?reply=yes&bound=0.5", "the preview of a bulk answer"),
    ("post", "/api/bulk", "a bulk answer"),
    ("post", "/api/export", "the table"),
]


@pytest.mark.parametrize(("method", "path", "what"), CLOSED)
def test_what_an_audit_does_not_have(client, folder, method, path, what):
    body = {"action": "action-01", "tab": "tab-0001", "label": 0, "reply": "yes", "images": [0, 1], "conflicts": "stop"}
    found = getattr(client, method)(path, **({"json": body} if method == "post" else {}))
    assert found.status_code in (404, 405), what
    assert not read_journal(folder / "labels.audit.jsonl").entries


def test_answers_about_cells_that_were_not_drawn_are_refused(client, folder):
    first = client.get("/api/queue").json()["cells"][0]
    undrawn = {"action": "action-01", "tab": "tab-0001", "image": first["image"], "label": 1, "reply": "yes"}
    assert client.post("/api/answers", json=undrawn).status_code == 409
    assert client.post("/api/answers", json=undrawn | {"image": 3}).status_code == 404, "only pictures of the sample have a number"
    assert not read_journal(folder / "labels.audit.jsonl").entries


def test_it_goes_on_where_it_was_killed_and_takes_back(folder):
    client = client_of(session_in(folder))
    reply(client, 0, "no", "action-01")
    reply(client, 0, "skip", "action-02")
    with (folder / "labels.audit.jsonl").open("ab") as torn:
        torn.write(b'{"action":"action-03","la')
    again = client_of(session_in(folder))
    assert questions(again) == list(CELLS[2:])
    assert again.get("/api/session").json()["progress"] == {"answered": 2, "skipped": 1, "left": 2}
    assert again.post("/api/undo", json={"action": "action-01", "tab": "tab-0001"}).json()["undone"] == 1
    assert questions(again) == [CELLS[0], *CELLS[2:]]
    found = read_answers(folder / "labels.audit.jsonl", "sample-hash")
    assert {cell: answer.reply for cell, answer in found.items()} == {CELLS[1]: "skip"}


def test_answers_about_another_sample_are_refused(folder):
    reply(client_of(session_in(folder)), 0)
    with pytest.raises(JournalError, match=r"labels\.audit\.jsonl: its answers are about another sample"):
        session_in(folder, sample="another")
    with pytest.raises(JournalError, match="another sample"):
        read_answers(folder / "labels.audit.jsonl", "another")
    assert read_answers(folder / "nowhere.jsonl", "another") == {}


def test_answers_go_into_a_table_as_reviewed(folder):
    client = client_of(session_in(folder))
    for number, word in enumerate(["yes", "no", "skip"]):
        reply(client, 0, word, f"action-{number:02}")
    table = LabelTable.read(folder / "labels.csv")
    applied = apply_answers(table, read_answers(folder / "labels.audit.jsonl", "sample-hash"), folder / "out.csv", force=False)
    out = LabelTable.read(folder / "out.csv")
    assert applied == 2
    assert (out.labels.values[4, 2], out.labels.values[1, 0]) == (1, 0)
    reviewed = out.of_kind("reviewed")
    assert [tuple(place) for place in np.argwhere(reviewed)] == [(1, 0), (4, 2)]
    assert np.array_equal(out.labels.values[~reviewed], table.labels.values[~reviewed])
    assert out.of_kind("predicted")[4, 0], "can't tell: as it was filled"


def test_only_its_pictures_can_be_seen(client):
    assert client.get("/api/session").json()["images"] == 3
    assert client.get("/api/pictures/2?size=320").headers["content-type"] == "image/jpeg"
    assert client.get("/api/pictures/3").status_code == 404
