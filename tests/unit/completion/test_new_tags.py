"""What a run guarantees of the tags of new pictures: found from its own labels, kept in its folder, refused in words."""

import json

import numpy as np
import pytest
from scipy.special import expit

from taglens.cli.main import main
from taglens.completion.new_tags import PRECISIONS, guarantees_from
from taglens.completion.sampling import for_all
from taglens.completion.scores import CellScores
from taglens.datasets.scenes.dataset import write_scenes
from taglens.errors import RunError, TagLensError
from taglens.labels.states import PartialLabels
from taglens.runs.tag_guarantees import FILE, TagGuarantees, find_tag_guarantees, write_tag_guarantees

CLASSES = ("a", "b", "c")


def found(known, seed=0, pictures=3000):
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 3, (pictures, len(CLASSES)))
    present = random.random(logits.shape) < expit(logits)
    states = np.where(known(random, present), present, -1).astype(np.int8)
    scores = CellScores(logits, for_all(logits, 1.0), "", ())
    return guarantees_from(scores, PartialLabels(states), np.zeros(states.shape, bool), CLASSES), expit(logits), present


def test_thresholds_rise_with_the_precision_and_keep_it():
    guarantees, probabilities, present = found(lambda random, present: random.random(present.shape) < 0.3)
    thresholds = [guarantees.thresholds[precision] for precision in PRECISIONS]
    made = [one for one in thresholds if one is not None]
    assert len(made) >= 6
    assert made == sorted(made)
    for precision, threshold in guarantees.thresholds.items():
        if threshold is not None:
            assert present[probabilities >= threshold].mean() > precision - 0.03


def test_tags_alone_guarantee_nothing_and_say_why():
    guarantees, _, _ = found(lambda random, present: present & (random.random(present.shape) < 0.3))
    with pytest.raises(TagLensError, match=r"no absent cell is known, .* nothing can be guaranteed of this run's tags"):
        guarantees.threshold_for(0.8)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (0.9, (0.9, 0.7)),
        (0.85, (0.9, 0.7)),
        (0.6, (0.8, 0.5)),
        (0.95, "0.95 cannot be guaranteed: few; the highest that can be is 0.9"),
        (0.99, "the highest that is tested is 0.95"),
    ],
)
def test_the_next_precision_that_was_tested_counts(asked, answer):
    guarantees = TagGuarantees(0.9, "as said", {0.8: 0.5, 0.9: 0.7, 0.95: None}, {0.8: "", 0.9: "", 0.95: "few"})
    if isinstance(answer, tuple):
        assert guarantees.threshold_for(asked) == answer
    else:
        with pytest.raises(TagLensError, match=answer):
            guarantees.threshold_for(asked)


def test_the_file_is_about_its_weights_and_checked(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"one")
    guarantees = TagGuarantees(0.9, "as said", {0.8: 0.5, 0.9: None}, {0.8: "", 0.9: "few"})
    assert find_tag_guarantees(tmp_path) is None
    write_tag_guarantees(tmp_path, guarantees)
    assert find_tag_guarantees(tmp_path) == guarantees
    (tmp_path / "weights.safetensors").write_bytes(b"other")
    assert find_tag_guarantees(tmp_path) is None, "of other weights it says nothing"
    facts = json.loads((tmp_path / FILE).read_text())
    for wrong in ({"steps": []}, {"confidence": 2}, {"steps": [{"precision": 0.5, "threshold": "low"}]}, {"weights": None}):
        (tmp_path / FILE).write_text(json.dumps(facts | wrong))
        with pytest.raises(RunError, match=r"guarantees.json.*it is made again"):
            find_tag_guarantees(tmp_path)


@pytest.fixture
def serve(monkeypatch):
    """``taglens serve`` up to where it would listen: the thresholds that it gives tags by."""

    def thresholds(model, precision):
        seen = []
        monkeypatch.setattr("taglens.serve.app.serve_predictions", lambda model, *rest, **others: seen.extend(model.thresholds))
        assert main(["serve", str(model), "--port", "0", "--precision", precision]) == 0
        return seen

    return thresholds


def test_tags_of_a_precision_by_predict_and_serve(tmp_path, serve, capsys):
    scenes = write_scenes(tmp_path / "scenes", 200, seed=5)
    train = ["train", str(scenes.root / "labels.csv"), "--backbone", "tiny", "--out", str(tmp_path / "run")]
    assert main(train) == 0
    exported = tmp_path / "run" / "model.onnx"
    assert main(["export", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["serve", str(exported), "--port", "0", "--precision", "0.6"]) == 2
    assert "was exported before anything was guaranteed of its tags; run `taglens predict" in " ".join(capsys.readouterr().err.split())
    predict = ["predict", str(tmp_path / "run"), str(scenes.root / "pictures"), "--format", "tags", "--precision"]
    capsys.readouterr()
    assert main([*predict, "0.6", "--out", str(tmp_path / "first.csv")]) == 0
    first = capsys.readouterr().err
    assert "judging the training labels" in first
    assert "at least 60% of them are right (90% confidence)" in first
    assert main([*predict, "0.6", "--out", str(tmp_path / "second.csv")]) == 0
    assert "judging the training labels" not in capsys.readouterr().err, "found once"
    assert (tmp_path / "first.csv").read_text() == (tmp_path / "second.csv").read_text()
    assert main([*predict, "0.99", "--out", str(tmp_path / "third.csv")]) == 2
    assert "--precision 0.99 cannot be guaranteed" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*predict, "90", "--out", str(tmp_path / "third.csv")])
    (tmp_path / "run" / FILE).unlink()
    of_run = serve(tmp_path / "run", "0.6")  # judged anew, on the device that there is
    assert main(["export", str(tmp_path / "run"), "--force"]) == 0
    of_file = serve(exported, "0.6")
    assert len(set(of_run)) == 1, "one threshold for all classes together"
    assert of_file == of_run, "the exported file says what was found for its run"
    capsys.readouterr()
    assert main(["serve", str(exported), "--port", "0", "--precision", "0.99"]) == 2
    assert "--precision 0.99 cannot be guaranteed" in capsys.readouterr().err
