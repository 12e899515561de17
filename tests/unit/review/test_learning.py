"""Learning while people answer: when it fits, what the review takes over, and that nobody waits or loses a question for it."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from test_review_api import CLASSES, TOKEN, session_in
from test_review_api import folder as folder  # the fixture

from taglens.cli.main import main
from taglens.cli.review import _learning
from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.origins import GIVEN, Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.recognizer import Recognizer
from taglens.review.app import review_app
from taglens.review.learner import Learner as Learner_
from taglens.review.learner import find_learner
from taglens.review.learning import FITS, Learned, LiveLearning
from taglens.review.pictures import ReviewPictures
from taglens.review.start import ReviewConfig, open_review, stored_features, train_again
from taglens.review.state import ANSWERED
from tests.mean_colour import MeanColour


class Learner:
    """Says other probabilities at every fit, and when it is told to fail does."""

    def __init__(self, f1=lambda fit: 0.5 + 0.01 * fit):
        self.seen, self.go, self.f1, self.error = [], threading.Event(), f1, None
        self.go.set()

    def __call__(self, labels, answered):
        self.go.wait(5)
        self.seen.append((labels.values.copy(), answered.copy()))
        if self.error:
            raise self.error
        shape = labels.shape
        numbers = {"f1": self.f1(len(self.seen)), "mAP": 40.0 + len(self.seen), "fillable": None}
        probabilities = np.full(shape, 0.01, np.float32)
        probabilities[3, 2] = 0.5  # the one question left that is worth asking
        return Learned(probabilities, np.full(shape, 0.3, np.float32), np.full(shape[1], 0.5), numbers)


def until(true, seconds=5):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def learning(folder):
    session = session_in(folder)
    made = LiveLearning(session, Learner(), every=3)
    session.heard.append(made.answered)
    return made


def answer(session, number, image=0, label=0, reply="yes"):
    assert session.answer(f"action-{number:04}", label, [image], reply, "tab-0001")


def fits(learning):
    return learning.standing()["fits"]


def test_the_first_fit_comes_at_once_and_the_next_after_enough_answers(learning):
    session = learning._session
    learning.answered(0)
    until(lambda: fits(learning) == 1)
    assert session.state.probabilities[0, 0] == np.float32(0.01)
    answer(session, 1)
    answer(session, 2, image=1)
    time.sleep(0.05)
    assert fits(learning) == 1, "two of three"
    answer(session, 3, image=3, reply="no")
    until(lambda: fits(learning) == 2)
    labels, answered = learning._learn.seen[1]
    assert labels[:, 0].tolist() == [1, 1, 1, 0], "what the table knew and what was answered"
    assert answered.sum() == 3
    told = learning.standing()
    assert (told["answers"], told["before"]["mAP"], told["now"]["mAP"]) == (3, 41.0, 42.0)


def test_answers_wait_for_no_fit_and_one_runs_at_a_time(learning):
    session, learner = learning._session, learning._learn
    learner.go.clear()
    learning.answered(0)
    until(lambda: learning.standing()["running"])
    start = time.monotonic()
    for number in range(4):
        answer(session, number, image=number)
    assert time.monotonic() - start < 1
    assert sum(thread.name == "learning" for thread in threading.enumerate()) == 1, "one thread learns"
    learner.go.set()
    until(lambda: not learning.standing()["running"])


def test_a_fit_that_fails_ends_learning_and_says_so(learning):
    learning._learn.error = MemoryError("none left")
    learning.answered(0)
    until(lambda: learning.standing()["failed"])
    assert learning.standing()["failed"] == "MemoryError: none left"
    for number in range(6):
        answer(learning._session, number, image=number % 4, label=number // 4)
    assert fits(learning) == 0
    assert learning._session.state.progress().answered == 6


def test_it_says_when_more_answers_hardly_help(folder):
    session = session_in(folder)
    learning = LiveLearning(session, Learner(f1=lambda fit: 0.6), every=1)
    for fit in range(1, FITS + 1):
        assert not learning.standing()["level"]
        learning._ended = -1e9
        learning.answered(1)
        until(lambda fit=fit: fits(learning) == fit)
    assert learning.standing()["level"]


def test_the_question_that_a_page_shows_stays_while_the_order_changes(folder, learning):
    session = learning._session
    app = review_app(session, ReviewPictures(session.state.table, MeanColour()), token=TOKEN, hosts=["127.0.0.1"], learning=learning)
    client = TestClient(app, base_url="http://127.0.0.1:8014", headers={"x-taglens-token": TOKEN})
    ask = {"tab": "tab-00001", "count": 5}
    first = client.post("/api/queue", json=ask).json()["cells"][0]
    learning.answered(0)
    until(lambda: fits(learning) == 1)
    shown = [first["image"], first["label"]]
    cells = client.post("/api/queue", json=ask | {"shown": shown}).json()["cells"]
    assert [cells[0]["image"], cells[0]["label"]] == shown
    assert (cells[1]["image"], cells[1]["label"]) == (3, 2), "then what the new fit wants to know"
    other = client.post("/api/queue", json=ask | {"tab": "tab-00002"}).json()["cells"]
    assert shown not in [[cell["image"], cell["label"]] for cell in other], "nobody else is asked it"
    client.post("/api/answers", json={"action": "action-0001", "image": shown[0], "label": shown[1], "reply": "no", "tab": "tab-00001"})
    cells = client.post("/api/queue", json=ask | {"shown": shown}).json()["cells"]
    assert shown not in [[cell["image"], cell["label"]] for cell in cells], "answered is answered"
    assert client.get("/api/session").json()["learning"]["fits"] == 1
    assert client.post("/api/queue", json=ask | {"shown": [99, 0]}).status_code == 404


def write_answers_of(session):
    session.export()
    return session.files.out


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, 120, seed=5)
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def run(half, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    assert main(["train", str(half), "--known", "0.3", "--backbone", "tiny", "--device", "cpu", "--out", str(out)]) == 0
    kept = LabelTable.read(out / "labels.parquet")
    whole = LabelTable.read(half)
    whole.rows([whole.images.index(name) for name in kept.images]).with_labels(kept.labels).write(half.with_name("partial.csv"))
    return out


def test_a_real_run_learns_from_truthful_answers(run, half, tmp_path):
    partial, truth = half.with_name("partial.csv"), LabelTable.read(half)
    review = ReviewConfig(run=run, data=str(partial), by="ada", journal=tmp_path / "a.jsonl", part="all")
    recognizer = Recognizer.load(run)
    session = open_review(review, recognizer, say=lambda line: None, progress=False)
    learning = _learning(review, recognizer, session)
    until(lambda: fits(learning) == 1, 60)
    table = session.state.table
    known = table.labels.known
    np.testing.assert_allclose(
        session.state.probabilities[~known], Recognizer.load(run).predict([table.path(row) for row in range(len(table))])[~known], atol=2e-3
    )
    rows = {name: row for row, name in enumerate(truth.images)}
    columns = [truth.classes.index(name) for name in table.classes]
    for number in range(12):
        row, column = session.take("uncertain", None, 1, "tab-0001")[0]
        state = truth.labels.values[rows[table.images[row]], columns[column]]
        assert session.answer(f"action-{number:04}", column, [row], "yes" if state == 1 else "no", "tab-0001")
    until(lambda: fits(learning) == 2, 60)
    told = learning.standing()
    assert told["failed"] == ""
    assert told["answers"] >= 10
    assert 0 < told["now"]["f1"] < 1
    assert set(told["now"]["fillable"]["cells"]) == {"0.9", "0.95"}
    labels, answered = session.state.values, np.equal(session.state.status, ANSWERED)
    whole = find_learner(run, recognizer, table, lambda: stored_features(review, recognizer, table), None)[0]
    anew = whole(PartialLabels(np.where(session.state.given | answered, labels, np.int8(-1))), answered)
    step = learning._learn(PartialLabels(np.where(session.state.given | answered, labels, np.int8(-1))), answered)
    again = train_again(run, write_answers_of(session))
    assert again.name == "run-2"
    assert LabelTable.read(again / "labels.parquet").labels.known.sum() == known.sum() + 12, "the table's labels and the answers"
    assert np.abs(anew.probabilities - step.probabilities).mean() < 0.01, "classes fitted one after the other or all at once"


@pytest.mark.parametrize(("ratio", "fitted"), [(1.0, [[0, 1, 2], [1]]), (None, [[0, 1, 2], [0, 1, 2]])], ids=["known absent", "tags alone"])
def test_only_classes_with_new_answers_are_fitted_again(ratio, fitted, monkeypatch):
    came = []

    def fit(learner, values, columns, implied):
        came.append(columns.tolist())
        learner._found = {"tags_alone_classes": []}

    monkeypatch.setattr(Learner_, "_fit", fit)
    features = SimpleNamespace(kept=np.arange(4))
    values = np.full((4, 3), -1, np.int8)
    table = LabelTable(tuple(f"{row}.png" for row in range(4)), CLASSES, PartialLabels(values))
    learner = Learner_(None, {"checked": {"ratio": ratio}}, lambda: features, table, None)
    values[:2, :2] = [[1, 0], [0, 1]]
    nothing = np.zeros(values.shape, bool)
    for cell in (None, (3, 1), None):
        if cell is not None:
            values[cell] = 1
        learner(PartialLabels(values.copy()), nothing)
    assert came == fitted


def test_what_follows_from_another_label_or_was_answered_before_is_no_sample(monkeypatch):
    """What the fit and the count of fillable cells hear: a class's rate, and a guarantee, would otherwise come from chosen cells."""
    heard = {}

    def fit(learner, values, columns, implied):
        heard["implied"] = np.argwhere(implied).tolist()
        learner._found = {"tags_alone_classes": []}

    def fillable(probabilities, labels, no_sample, checked):
        heard["no_sample"] = np.argwhere(no_sample).tolist()

    monkeypatch.setattr(Learner_, "_fit", fit)
    values = np.array([[1, 0, -1], [1, 0, 1], [0, 1, 1], [1, 0, 0]], np.int8)
    origins = (GIVEN, Origin("reviewed", "ada"), Origin("implied", CLASSES[0]))
    index = np.array([[0, 2, 0], [0, 0, 0], [1, 0, 2], [0, 0, 0]], np.int16)
    table = LabelTable(tuple(f"{row}.png" for row in range(4)), CLASSES, PartialLabels(values), origin_index=index, origins=origins)
    answered = np.zeros(values.shape, bool)
    answered[2, 2] = answered[3, 1] = True
    Learner_(None, {"checked": {"ratio": 1.0}}, lambda: SimpleNamespace(kept=np.arange(4)), table, fillable)(table.labels, answered)
    assert heard == {"implied": [[0, 1]], "no_sample": [[0, 1], [2, 0], [2, 2], [3, 1]]}, "an answer to a cell that followed is an answer"


def test_a_method_without_an_exact_head_says_why_it_does_not_learn(folder):
    class Other:
        method, name = None, "linear_probe"

    learn, why = find_learner(folder, Other(), session_in(folder).state.table, lambda: None, None)
    assert learn is None
    assert why.startswith("linear_probe has no exact head")
