"""The page of an audit in a real browser: one question after the other, and nothing of what a model thinks."""

from dataclasses import replace

import numpy as np
import pytest

from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.review.journal import read_journal
from tests.e2e.review_server import make_run, make_table, serving

pytestmark = pytest.mark.slow
ASKED = ("--precision", "0.9", "--confidence", "0.9", "--answers", "5")


@pytest.fixture
def filled(tmp_path):
    path = make_table(tmp_path / "data")
    table = LabelTable.read(path)
    cells = table.labels.unknown & (np.arange(len(table))[:, None] % 2 == 0)
    origins = (*table.origins, Origin("predicted", "runs/mine", "2026-11-22T09:30:00Z"))
    values = PartialLabels(np.where(cells, np.int8(1), table.labels.values))
    replace(table, labels=values, origins=origins, origin_index=cells.astype(np.int16)).write(path, force=True)
    return path


def answered(page, count):
    page.wait_for_function("count => document.getElementById('progress-text').textContent.startsWith(`${count} answered`)", arg=count)


def test_questions_without_the_model_and_nothing_of_an_earlier_review(browser, filled, tmp_path):
    page = browser.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    run = make_run(tmp_path / "run")
    with serving(run, filled) as review:  # an earlier review in the same tab, with the heatmap on
        page.goto(review.url)
        page.wait_for_selector(".question h1")
        page.keyboard.press("h")
        page.wait_for_selector(".stage img[src*='/heat/']")
        page.keyboard.press("y")
        answered(page, 1)
        port = review.port
    with serving("runs/mine", filled, *ASKED, port=port, verb="audit") as server:
        page.goto(server.url)
        page.wait_for_selector(".question h1")
        assert [link.inner_text() for link in page.query_selector_all("nav a")] == ["Queue", "Answers"]
        assert page.query_selector(".meter, .claim, .badge, .filters, [aria-keyshortcuts='h'], [aria-keyshortcuts='p']") is None
        assert page.query_selector("[aria-keyshortcuts='s']").inner_text().startswith("Can't tell")
        page.keyboard.press("h")
        assert "/heat/" not in page.get_attribute(".stage img", "src")
        page.wait_for_function("() => document.querySelector('.stage img').naturalWidth > 0")
        for number, key in enumerate("ynsy"):
            page.keyboard.press(key)
            answered(page, number + 1)
        page.keyboard.press("u")
        answered(page, 3)
        page.goto(f"{server.url}#/classes")
        page.wait_for_selector(".question h1")
        for number, key in enumerate("ny"):
            page.keyboard.press(key)
            answered(page, number + 4)
        page.wait_for_selector(".empty h1")
        page.wait_for_function("() => document.querySelector('.empty').textContent.includes('stop taglens audit')")
        page.goto(f"{server.url}#/answers")
        page.wait_for_selector(".answers li:nth-child(5)")
        assert page.query_selector(".answers a") is None
        server.interrupt()
    replies = [answer.reply for answer in read_journal(filled.with_name("labels.audit.jsonl")).settled().values()]
    assert sorted(replies) == ["no", "no", "skip", "yes", "yes"]
    assert len(read_journal(filled.with_name("labels.review.jsonl")).settled()) == 1
    assert not wrong
    page.close()
