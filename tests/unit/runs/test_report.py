"""The page holds what it was given, loads nothing from elsewhere, and survives odd names and missing parts."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from taglens.labels.states import NEGATIVE, POSITIVE, PartialLabels
from taglens.metrics import evaluate
from taglens.pages.gallery import GalleryItem
from taglens.pages.plots import history_plots
from taglens.runs.report import ReportContent, render_report, write_report

CLASSES = ("dog", "<script>alert(1)</script>", "fog")
TRUTH = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], np.int8)
GOOD = np.array([[0.9, 0.1, 0.2], [0.1, 0.9, 0.1], [0.8, 0.7, 0.1], [0.2, 0.3, 0.1]])


def item(picture, class_name, truth):
    heat = np.full((2, 2), 0.1, np.float32)
    heat[0, 1] = 0.7
    return GalleryItem(picture=picture, class_name=class_name, probability=0.87, truth=truth, ours=heat, baseline=heat.T)


@pytest.fixture
def content():
    picture = Image.new("RGB", (64, 48), (80, 120, 160))
    return ReportContent(
        title="semantic aware on ünïcode & more",
        settings={"Data": "a < b", "Known labels": "10 %"},
        classes=CLASSES,
        counts=PartialLabels(np.where(TRUTH == 1, 1, -1).astype(np.int8)).counts(),
        history=[{"epoch": e, "loss": 1 / e, "held_out_mAP": 10.0 * e, "rate": 0.1} for e in (1, 2, 3)],
        best_epoch=2,
        evaluations={"semantic_aware": evaluate(GOOD, TRUTH, CLASSES), "zero_shot": evaluate(GOOD[::-1].copy(), TRUTH, CLASSES)},
        gallery=[item(picture, "dog", POSITIVE), item(picture, CLASSES[1], NEGATIVE)],
        notes=["fog was never seen"],
    )


class Balance(HTMLParser):
    """Checks that every element is closed in order and collects addresses and ids."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    reader = Balance()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_complete_and_stands_alone(tmp_path, content):
    path = write_report(tmp_path, content)
    assert path == tmp_path / "report.html"
    page = path.read_text("utf-8")
    reader = parsed(page)
    assert all(address.startswith(("data:", "#")) for address in reader.addresses)
    assert not re.search(r"@import|url\((?!#)", page), "no style or font from elsewhere"
    assert len(reader.ids) == len(set(reader.ids)), "two plots must not share ids"
    text = " ".join(reader.text)
    for expected in ("ünïcode & more", "a < b", "semantic aware", "zero shot", "100.0", "fog was never seen", "87 %", "absent", "Epoch 2"):
        assert expected in text
    assert page.count("data:image/jpeg") == 5, "the picture once, two maps for each of two classes"


def test_names_are_text_not_markup(content):
    page = render_report(content)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_light_dark_and_phone(content):
    page = render_report(content)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    for plot in history_plots(content.history, 2).values():
        assert "currentColor" in plot
        assert not re.search(r"#0[1-9]0[1-9]0[1-9]", plot), "a stand-in colour was left"


def test_parts_without_content_are_left_out(content):
    empty = replace(content, history=(), gallery=(), evaluations={}, notes=(), best_epoch=None)
    text = " ".join(parsed(render_report(empty)).text)
    assert "Labels it learned from" in text
    for heading in ("Comparison", "Where it looked", "Training", "Average precision of each class"):
        assert heading not in text


def test_one_method_needs_no_comparison(content):
    alone = replace(content, evaluations={"zero_shot": content.evaluations["zero_shot"]})
    page = render_report(alone)
    parsed(page)
    assert 'class="best"' not in page


def test_undefined_scores_are_dashes(content):
    nothing = evaluate(GOOD, np.full(TRUTH.shape, -1), CLASSES)
    page = render_report(replace(content, evaluations={"zero_shot": nothing}))
    assert "–" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower()


def test_curves_may_miss_values():
    plots = history_plots([{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": 0.5}, {"epoch": 3}])
    assert list(plots) == ["Loss"]
    assert history_plots([]) == {}
