"""The review's routes: answering, undoing, many tabs, bulk answers, export, and keeping strangers out."""

import threading
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from taglens.datasets.source import DataOptions
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.app import review_app
from taglens.review.journal import Header, read_journal
from taglens.review.journal_file import open_journal
from taglens.review.pictures import ReviewPictures
from taglens.review.session import ReviewFiles, ReviewSession
from taglens.review.state import ReviewState
from taglens.review.views import ReviewViews
from taglens.web.hosts import allowed_hosts, is_loopback
from tests.mean_colour import MeanColour

HEADER = Header("run-hash", "runs/a", "labels.csv", "names", "2026-11-21T11:00:00Z")
CLASSES = ("red", "green", "blue")
TOKEN = "t" * 20
LABELS = [[-1, -1, 1], [-1, 0, 0], [1, -1, -1], [-1, -1, -1]]
PROBABILITIES = [[0.5, 0.1, 0.02], [0.9, 0.95, 0.3], [0.8, 0.45, 0.2], [0.97, 0.6, np.nan]]


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        picture = Image.new("RGB", (16, 12))
        picture.paste((255 - number, 100, 20), (0, 0, 8, 6))
        picture.save(tmp_path / f"{number}.png")
    images = tuple(f"{number}.png" for number in range(4))
    LabelTable(images, CLASSES, PartialLabels(np.array(LABELS, np.int8))).write(tmp_path / "labels.csv")
    return tmp_path


def session_in(folder):
    files = ReviewFiles(
        run=folder / "run",
        data=str(folder / "labels.csv"),
        options=DataOptions(),
        journal=folder / "labels.review.jsonl",
        out=folder / "labels.reviewed.csv",
        by="ada",
        retrain="taglens train labels.reviewed.csv",
    )
    table = LabelTable.read(folder / "labels.csv")
    journal = open_journal(files.journal, HEADER)
    return ReviewSession(files, ReviewState(table, np.array(PROBABILITIES, np.float32), np.full(3, 0.5), journal.entries))


def client_in(folder, token=TOKEN, **headers):
    session = session_in(folder)
    app = review_app(session, ReviewPictures(session.state.table, MeanColour()), token=TOKEN, hosts=["127.0.0.1"])
    return TestClient(app, base_url="http://127.0.0.1:8014", headers={"x-taglens-token": token, **headers}, raise_server_exceptions=False)


@pytest.fixture
def client(folder):
    return client_in(folder)


def queue(client, **query):
    return [(cell["image"], cell["label"]) for cell in client.get("/api/queue", params=query).json()["cells"]]


def reply(client, image, label, word="yes", action="action-01", tab="tab-0001"):
    return client.post("/api/answers", json={"action": action, "tab": tab, "image": image, "label": label, "reply": word})


def export(client, conflicts="stop"):
    """Export in the background, and wait for the end."""
    assert client.post("/api/export", json={"conflicts": conflicts}).json()["state"] != "none"
    while (told := client.get("/api/export").json())["state"] == "running":
        time.sleep(0.01)
    return told


def undo(client, action="action-01"):
    return client.post("/api/undo", json={"action": action, "tab": "tab-0001"})


def test_the_queue_has_uncertain_cells_and_suspected_errors_best_first(client):
    cells = client.get("/api/queue").json()["cells"]
    assert [(cell["image"], cell["label"]) for cell in cells[:2]] == [(1, 1), (0, 0)]
    assert queue(client, kind="suspected") == [(1, 1), (0, 2)]
    assert (1, 1) not in queue(client, kind="uncertain")
    assert (2, 0) not in queue(client), "known, and the model agrees"
    assert (3, 2) not in queue(client), "no probability"
    assert queue(client, label=0) == [(0, 0), (1, 0), (3, 0)]
    assert client.get("/api/queue", params={"kind": "suspected"}).json()["cells"][0] == {
        "image": 1,
        "label": 1,
        "name": "1.png",
        "class": "green",
        "probability": 0.95,
        "between": None,
        "kind": "known",
        "table": "absent",
        "reply": None,
        "action": None,
    }


def test_what_a_model_says_lies_between_a_deviation_of_its_logit_below_and_above(folder):
    session = session_in(folder)
    session.state.deviations = np.array([[1, 0.5, 2], [np.log(9), 3, 1], [1, 1, 1], [0, 30, 1]], np.float32)
    cells = [ReviewViews(session).picture_cells(image)["cells"] for image in range(4)]
    found = {(cell["image"], cell["label"]): cell["between"] for row in cells for cell in row}
    assert found[0, 0] == [round(1 / (1 + np.e), 4), round(np.e / (1 + np.e), 4)]
    assert found[1, 0] == [0.5, round(81 / 82, 4)], "logit log 9, the deviation log 9"
    assert found[3, 0] == [0.97, 0.97]
    assert found[3, 1] == [0, 1]
    assert found[3, 2] is None, "no probability"


def test_an_answer_is_in_the_journal_before_the_reply_comes(client, folder):
    told = reply(client, 0, 0).json()
    assert told["progress"]["answered"] == 1
    (entry,) = read_journal(folder / "labels.review.jsonl").entries
    assert (entry.images, entry.label, entry.reply, entry.was, entry.by) == (("0.png",), "red", "yes", (-1,), "ada")
    assert (0, 0) not in queue(client)


def test_undo_asks_again(client):
    before = queue(client)
    reply(client, 0, 0)
    assert undo(client).json()["undone"] == 1
    assert queue(client) == before
    assert undo(client).json()["undone"] is None
    assert client.get("/api/session").json()["progress"]["answered"] == 0


def test_skipped_cells_wait_at_their_own_place(client):
    reply(client, 0, 0, "skip")
    assert (0, 0) not in queue(client)
    assert queue(client, kind="skipped") == [(0, 0)]
    reply(client, 0, 0, "no", action="action-02")
    assert queue(client, kind="skipped") == []


def test_an_answer_sent_again_after_a_broken_connection_counts_once(client, folder):
    for _ in range(3):
        assert reply(client, 0, 0).status_code == 200
    undo(client)
    assert reply(client, 0, 0).status_code == 200
    assert len(read_journal(folder / "labels.review.jsonl").entries) == 2, "not even after it was undone"
    assert client.get("/api/session").json()["progress"]["answered"] == 0


def test_two_tabs_keep_both_answers_and_learn_of_each_other(client, folder):
    reply(client, 0, 0, "yes", "action-01", "tab-0001")
    told = reply(client, 0, 0, "no", "action-02", "tab-0002").json()
    assert told["earlier"] == "yes"
    assert told["revision"] == 2
    assert reply(client, 0, 0, "skip", "action-03", "tab-0001").json()["earlier"] == "no"
    assert len(read_journal(folder / "labels.review.jsonl").entries) == 3
    assert client.get("/api/pictures/0/cells").json()["cells"][0]["reply"] == "no"
    undo(client, "action-02")
    assert client.get("/api/pictures/0/cells").json()["cells"][0]["reply"] == "yes"


def test_many_tabs_at_once_lose_nothing(client, folder):
    def work(tab):
        for number in range(15):
            reply(client, number % 4, tab % 3, "yes", f"action-{tab}-{number}", f"tab-000{tab}")

    threads = [threading.Thread(target=work, args=(tab,)) for tab in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = read_journal(folder / "labels.review.jsonl").entries
    assert len({entry.action for entry in entries}) == len(entries) == 60


def test_a_restart_knows_everything(client, folder):
    reply(client, 0, 0)
    reply(client, 1, 1, "no", "action-02")
    reply(client, 2, 1, "skip", "action-03")
    before = client.get("/api/session").json()["progress"], queue(client), client.get("/api/answers").json()
    again = client_in(folder)
    assert (again.get("/api/session").json()["progress"], queue(again), again.get("/api/answers").json()) == before
    assert undo(again, "action-02").json()["undone"] == 1, "and can still take it back"


def test_bulk_shows_the_doubtful_first_and_answers_what_was_shown(client):
    preview = client.get("/api/labels/0/bulk", params={"reply": "yes", "bound": 0.8}).json()
    assert preview["images"] == [1, 3], "the known positive is not asked about"
    assert preview["expected_wrong"] == pytest.approx(0.13)
    body = {"action": "action-01", "tab": "tab-0001", "label": 0, "reply": "yes", "images": [3]}
    assert client.post("/api/bulk", json=body).json()["progress"]["answered"] == 1
    assert client.get("/api/labels/0/bulk", params={"reply": "yes", "bound": 0.8}).json()["images"] == [1]
    assert client.get("/api/labels/1/bulk", params={"reply": "no", "bound": 0.5}).json()["images"] == [2, 0]
    assert undo(client).json()["undone"] == 1


def test_classes_and_pictures(client):
    reply(client, 0, 0)
    red = client.get("/api/labels").json()[0]
    assert {key: red[key] for key in ("name", "present", "absent", "unknown", "answered")} == {
        "name": "red",
        "present": 2,
        "absent": 0,
        "unknown": 2,
        "answered": 1,
    }
    shown = {show: client.get("/api/labels/0/cells", params={"show": show}).json() for show in ("open", "present", "absent", "answered")}
    assert {show: [cell["image"] for cell in found["cells"]] for show, found in shown.items()} == {
        "open": [3, 1],
        "present": [2, 0],
        "absent": [],
        "answered": [0],
    }
    page = client.get("/api/labels/0/cells", params={"offset": 1, "count": 1}).json()
    assert ([cell["image"] for cell in page["cells"]], page["total"]) == ([1], 2)
    assert [cell["class"] for cell in client.get("/api/pictures/3/cells").json()["cells"]] == ["red", "green", "blue"]


def test_a_clock_that_goes_back_changes_no_order(folder, monkeypatch):
    """The last answer on the disk counts, whatever time it says."""
    session = session_in(folder)
    for action, reply, time_ in (("action-0001", "yes", "2026-11-27T10:00:00Z"), ("action-0002", "no", "1999-01-01T00:00:00Z")):
        monkeypatch.setattr("taglens.review.session.now", lambda time_=time_: time_)
        assert session.answer(action, 0, [0], reply, "tab-0001")
    assert session.earlier((0, 0)) == "no"
    assert session_in(folder).earlier((0, 0)) == "no", "and after a restart"


def test_export_merges_into_the_table_as_it_is_now(client, folder):
    reply(client, 0, 0)
    with (folder / "labels.csv").open("a") as table:
        table.write("new.png,1,,\n")
    told = export(client)
    assert (told["state"], told["file"], told["applied"], told["notes"]) == ("done", str(folder / "labels.reviewed.csv"), 1, [])
    exported = LabelTable.read(folder / "labels.reviewed.csv")
    assert exported.labels.values[[0, 4], 0].tolist() == [1, 1]
    assert exported.origins[exported.origin_index[0, 0]].kind == "reviewed"


def test_the_page_can_train_a_new_run_on_what_it_wrote(folder):
    session, trained = session_in(folder), []
    app = review_app(
        session,
        ReviewPictures(session.state.table, MeanColour()),
        token=TOKEN,
        hosts=["127.0.0.1"],
        train=lambda table: trained.append(table) or folder / "run-2",
    )
    client = TestClient(app, base_url="http://127.0.0.1:8014", headers={"x-taglens-token": TOKEN})
    assert client.get("/api/export").json()["trains"]
    client.post("/api/export", json={"train": True})
    while (told := client.get("/api/export").json())["state"] == "running":
        time.sleep(0.01)
    assert (told["state"], told["run"]) == ("done", str(folder / "run-2"))
    assert trained == [folder / "labels.reviewed.csv"]


def test_a_page_that_cannot_train_says_so(client):
    assert not client.get("/api/export").json()["trains"]
    refused = client.post("/api/export", json={"train": True})
    assert (refused.status_code, "run the command in a terminal" in refused.json()["detail"]) == (400, True)


def test_export_of_a_table_edited_meanwhile_asks_first(client, folder):
    reply(client, 0, 0)
    text = (folder / "labels.csv").read_text().replace("0.png,,", "0.png,0,")
    (folder / "labels.csv").write_text(text)
    refused = export(client)
    assert refused["state"] == "refused"
    assert "0.png, red: was not checked, reviewed as present, the table now says absent" in refused["detail"]
    assert not (folder / "labels.reviewed.csv").exists()
    assert export(client, "answers")["state"] == "done"
    assert LabelTable.read(folder / "labels.reviewed.csv").labels.values[0, 0] == 1
    assert export(client, "table")["state"] == "done"
    assert LabelTable.read(folder / "labels.reviewed.csv").labels.values[0, 0] == 0
    assert len(read_journal(folder / "labels.review.jsonl").entries) == 1, "the journal still has the answer"


def test_a_journal_that_cannot_be_written_is_said_and_nothing_counts(client, folder):
    (folder / "labels.review.jsonl").unlink()
    (folder / "labels.review.jsonl").mkdir()
    refused = reply(client, 0, 0)
    assert refused.status_code == 409
    assert "cannot write the journal" in refused.json()["detail"]
    assert client.get("/api/session").json()["progress"]["answered"] == 0
    assert (0, 0) in queue(client)


def test_pictures_and_heatmaps_by_number(client, folder):
    plain, heat = client.get("/api/pictures/1?size=320"), client.get("/api/pictures/1/heat/0")
    assert plain.headers["content-type"] == heat.headers["content-type"] == "image/jpeg"
    assert plain.content != heat.content
    (folder / "2.png").unlink()
    missing = client.get("/api/pictures/2")
    assert (missing.status_code, "picture not found" in missing.json()["detail"]) == (404, True)


REFUSED = {
    "a picture that is not there": ("get", "/api/pictures/4", None, 404),
    "a path instead of a number": ("get", "/api/pictures/..%2Flabels.csv", None, 404),
    "a negative number": ("get", "/api/pictures/-1", None, 422),
    "a path among the page's files": ("get", "/static/..%2F..%2Freview_app.py", None, 404),
    "another size": ("get", "/api/pictures/0?size=100000", None, 422),
    "a class that is not there": ("get", "/api/labels/3/cells", None, 404),
    "an answer about nothing": ("post", "/api/answers", {"image": 9, "label": 0, "reply": "yes"}, 404),
    "an unknown reply": ("post", "/api/answers", {"image": 0, "label": 0, "reply": "maybe"}, 422),
    "a strange action": ("post", "/api/answers", {"image": 0, "label": 0, "reply": "yes", "action": "../../x\n"}, 422),
    "a bulk answer about nothing": ("post", "/api/bulk", {"images": [0, 99], "label": 0, "reply": "yes"}, 404),
    "an empty bulk answer": ("post", "/api/bulk", {"images": [], "label": 0, "reply": "yes"}, 422),
    "an output chosen by the page": ("put", "/api/export", {"out": "/tmp/x"}, 405),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_requests_are_refused_and_leave_no_trace(client, folder, name):
    method, path, body, status = REFUSED[name]
    sent = {} if body is None else {"json": {"action": "action-01", "tab": "tab-0001"} | body}
    assert getattr(client, method)(path, **sent).status_code == status
    assert not read_journal(folder / "labels.review.jsonl").entries


STRANGERS = {
    "without the token": ({"x-taglens-token": ""}, 403),
    "with another token": ({"x-taglens-token": "wrong"}, 403),
    "from another site": ({"origin": "https://evil.example"}, 403),
    "from a sandboxed frame": ({"origin": "null"}, 403),
    "from another port": ({"origin": "http://127.0.0.1:9999"}, 403),
    "by a foreign name for this machine": ({"host": "evil.example"}, 400),
    "too large": ({"content-length": "99999999"}, 413),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_cannot_answer(folder, name):
    headers, status = STRANGERS[name]
    body = b'{"action": "action-01", "tab": "tab-0001", "image": 0, "label": 0, "reply": "yes"}'
    sent = client_in(folder).post("/api/answers", content=body, headers={"content-type": "application/json", **headers})
    assert sent.status_code == status
    assert not read_journal(folder / "labels.review.jsonl").entries


def test_our_own_page_can_answer(folder):
    assert reply(client_in(folder, origin="http://127.0.0.1:8014"), 0, 0).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/session", "/static/main.js", "/api/pictures/0", "/nowhere"])
def test_every_reply_forbids_what_is_not_from_here(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_page_needs_nothing_from_elsewhere(client):
    from taglens.review.page import STATIC

    for path in STATIC.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, path.name
        assert "https:" not in text, path.name
        assert client.get(f"/static/{path.name}").status_code == 200
        assert "innerHTML" not in text, f"{path.name}: names of pictures must not become markup"


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)]
)
def test_which_addresses_are_this_machine_only(host, loopback):
    assert is_loopback(host) is loopback
    assert ("localhost" in allowed_hosts(host)) is (loopback or host == "0.0.0.0")


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "nothing answered yet"])
def test_a_table_that_took_the_reviewed_ones_place_is_not_exported_over_it(folder, answered):
    client = client_in(folder)
    if answered:
        reply(client, 0, 0)
    assert export(client)["state"] == "done"
    reviewed = (folder / "labels.reviewed.csv").read_text()
    LabelTable(("x.png", "y.png"), ("cow",), PartialLabels(np.array([[1], [0]], np.int8))).write(folder / "labels.csv", force=True)
    refused = export(client, "answers")
    assert refused["state"] == "refused"
    assert "is another table now: it has 0 of the 4 pictures under review. Nothing was written" in refused["detail"]
    assert (folder / "labels.reviewed.csv").read_text() == reviewed
    assert len(read_journal(folder / "labels.review.jsonl").entries) == answered


def test_an_answer_after_a_foreign_torn_tail_is_there_after_a_restart(folder):
    client = client_in(folder)
    reply(client, 0, 0, action="action-01")
    with (folder / "labels.review.jsonl").open("ab") as file:
        file.write(b'{"action":"action-99","label":"re')
    assert reply(client, 1, 1, action="action-02").status_code == 200
    again = session_in(folder)
    assert [again.state.knows(f"action-0{number}") for number in (1, 2)] == [True, True]
