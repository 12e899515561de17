"""The review page in a real browser: Debian's Chromium, driven through Playwright.

TAGLENS_SCREENSHOTS=docs/images also writes the pictures of the docs (larger scenes).
"""

import os
import shutil
from pathlib import Path

import pytest

from taglens.cli.main import main
from taglens.datasets.scenes.dataset import write_scenes
from taglens.review.journal import read_journal
from tests.e2e.contrast import CONTRAST
from tests.e2e.review_server import make_run, make_table, serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
pytestmark = pytest.mark.slow

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SHOTS = os.environ.get("TAGLENS_SCREENSHOTS")


@pytest.fixture(scope="module")
def browser():
    chromium = os.environ.get("TAGLENS_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or name one in TAGLENS_CHROMIUM)")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=FLAGS, headless=True)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture
def table(tmp_path):
    return make_table(tmp_path / "data", size=900 if SHOTS else 160)


@pytest.fixture
def open_page(browser):
    contexts, wrong = [], []

    def open_(url, size="desktop", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone", is_mobile=size == "phone"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: "Content Security Policy" in message.text and wrong.append(message.text))
        page.goto(url)
        page.wait_for_selector(".question h1")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def answered(page, count):
    page.wait_for_function("count => document.getElementById('progress-text').textContent.startsWith(`${count} answered`)", arg=count)


def question(page):
    return page.inner_text(".question h1"), page.inner_text("figcaption span")


def press(page, key):
    before = page.query_selector(".question")
    page.keyboard.press(key)
    page.wait_for_function("old => !old.isConnected", arg=before)


def test_twenty_answers_by_keyboard_an_undo_a_reload_and_a_kill_lose_nothing(open_page, run, table):
    journal = table.with_name("labels.review.jsonl")
    with serving(run, table) as server:
        page, port = open_page(server.url), server.port
        asked = []
        for number in range(20):
            asked.append(question(page))
            press(page, "yn"[number % 2])
        assert len(set(asked)) == 20
        answered(page, 20)
        press(page, "u")
        assert question(page) == asked[-1], "the question that was taken back is asked again"
        answered(page, 19)
        page.reload()
        page.wait_for_selector(".question h1")
        answered(page, 19)
        press(page, "u")
        answered(page, 18)
        press(page, "y")
        answered(page, 19)
        server.kill()
    press(page, "n")
    page.wait_for_selector("#banner:not([hidden])")
    assert "1 answer waits in this tab" in page.inner_text("#banner")
    with serving(run, table, port=port):
        page.wait_for_selector("#banner[hidden]", state="attached")
        answered(page, 20)
        settled = read_journal(journal).settled()
        assert len(settled) == 20
        for number, (label, image) in enumerate(asked[:18]):
            assert settled[image, label.rstrip("?")].reply == ("yes", "no")[number % 2]


def test_two_people_answer_the_same_queue(open_page, run, table):
    with serving(run, table) as server:
        first, second = open_page(server.url), open_page(server.url)
        asked = []
        for page, name in ((first, "bob"), (second, "eve")):
            page.fill("#name", name)
            page.click("#who form button")
            for key in "yns":
                asked.append(question(page))
                press(page, key)
            answered(page, 2 if page is first else 4)
        page.wait_for_function("() => !Object.keys(localStorage).some(name => name.startsWith('taglens-outbox'))")
        entries = read_journal(table.with_name("labels.review.jsonl")).entries
        assert len(set(asked)) == 6, "nobody is asked what the other one is"
        assert [(entry.by, entry.images[0], f"{entry.label}?") for entry in entries] == [
            (name, image, label) for name, (label, image) in zip(["bob"] * 3 + ["eve"] * 3, asked, strict=True)
        ]
        second.goto(f"{server.url}#/people")
        second.wait_for_selector("tbody tr:nth-child(2)")
        assert "bob" in second.inner_text("tbody")


def test_a_page_never_says_that_nothing_is_left_while_the_server_is_away(open_page, run, table):
    with serving(run, table) as server:
        page, port = open_page(server.url), server.port
        server.kill()
    for _ in range(20):
        page.keyboard.press("y")
    page.wait_for_selector(".empty h1")
    page.wait_for_function("() => document.querySelector('#banner').textContent.includes('20 answers wait in this tab')")
    assert page.inner_text(".empty h1") == "Waiting for the server"
    page.close()
    another = page.context.new_page()
    with serving(run, table, port=port) as server:
        another.goto(server.url)
        answered(another, 20)
        assert len(read_journal(table.with_name("labels.review.jsonl")).settled()) == 20, "another tab sends what the closed one kept"


def test_every_view_by_keyboard_and_export(open_page, run, table):
    with serving(run, table) as server:
        page = open_page(server.url)
        plain = page.get_attribute(".stage img", "src")
        press(page, "h")
        assert "/heat/" in page.get_attribute(".stage img", "src") != plain
        page.wait_for_function("() => document.querySelector('.stage img').naturalWidth > 0")
        page.keyboard.press("p")
        page.wait_for_selector(".tags .card")
        assert page.locator(".tags .card").count() == 6
        page.locator(".tags .yes").first.focus()
        page.keyboard.press("Enter")
        answered_in = page.locator(".tags .yes").first
        assert answered_in.get_attribute("aria-pressed") == "true"
        page.keyboard.press("Escape")
        page.wait_for_selector(".question h1")
        answered(page, 1)
        page.goto(f"{server.url}#/class/2")
        page.click("summary")
        page.fill("input[type=number]", "60")
        page.click("details form button")
        page.locator(".toggle input").first.uncheck()
        page.click(".accept")
        page.goto(f"{server.url}#/answers")
        page.wait_for_selector(".answers .word")
        assert "pictures" in page.inner_text(".answers li:first-child")
        page.goto(f"{server.url}#/export")
        page.click(".primary")
        page.wait_for_selector(".result .good")
        assert table.with_name("labels.reviewed.csv").exists()
        assert page.inner_text(".command code").startswith("taglens train ")


VIEWS = ("queue", "classes", "class/2", "picture/3", "answers", "people", "export")


@pytest.mark.parametrize("size", SIZES)
def test_text_has_contrast_in_light_and_dark_and_fits_the_width(open_page, run, table, size):
    with serving(run, table) as server:
        for scheme in ("light", "dark"):
            page = open_page(server.url, size, scheme)
            press(page, "y")
            answered(page, {"light": 1, "dark": 2}[scheme])
            for view in VIEWS:
                page.goto(f"{server.url}#/{view}")
                page.wait_for_load_state("networkidle")
                assert page.evaluate(CONTRAST) == [], f"{view}, {scheme}: text with less contrast than WCAG 2.2 AA asks for"
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= SIZES[size][0], f"{view} is {width} pixels wide"
            page.goto(f"{server.url}#/queue")
            page.wait_for_selector(".question h1")
            small = page.evaluate(
                "[...document.querySelectorAll('.replies button, .tools button')].filter(b => b.offsetHeight < 44).length"
            )
            assert small == 0, "buttons are large enough for a thumb"


@pytest.mark.skipif(not SHOTS, reason="only to renew the pictures of the docs (TAGLENS_SCREENSHOTS=docs/images)")
def test_screenshots(open_page, tmp_path, table):
    run = Path(os.environ.get("TAGLENS_SCREENSHOT_RUN") or make_run(tmp_path / "run"))
    table = Path(os.environ.get("TAGLENS_SCREENSHOT_TABLE") or table)
    with serving(run, table, "--journal", str(tmp_path / "j.jsonl"), "--out", str(tmp_path / "out.csv")) as server:
        for size, scheme in (("desktop", "light"), ("phone", "dark")):
            page = open_page(server.url, size, scheme)
            for key in "ynhyn":
                press(page, key)
            for view in ("queue", "class/2"):
                page.goto(f"{server.url}#/{view}")
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(4500)  # messages have gone
                page.screenshot(path=Path(SHOTS) / f"review-{view.partition('/')[0]}-{size}.jpg", type="jpeg", quality=84)


@pytest.mark.slow
def test_the_page_says_what_the_answers_taught(open_page, tmp_path):
    table = write_scenes(tmp_path / "scenes", 40, seed=5).root / "labels.csv"
    run = tmp_path / "run"
    assert main(["train", str(table), "--known", "0.5", "--backbone", "tiny", "--device", "cpu", "--out", str(run)]) == 0
    with serving(run, run / "labels.parquet", "--images", str(table.parent), "--device", "cpu") as server:
        page = open_page(server.url)
        learned = page.locator("#learning")
        playwright.expect(learned).to_contain_text("every 10 answers it learns again", timeout=60_000)
        for number in range(1, 11):
            press(page, "y" if number % 3 else "n")
        answered(page, 10)
        shown = question(page)
        playwright.expect(learned).to_contain_text("Learned from 10 answers", timeout=60_000)
        playwright.expect(learned).to_contain_text("expected F1")
        page.wait_for_timeout(500)
        assert question(page) == shown, "the question that somebody looks at stays"
        assert page.locator("#toast").text_content() == "", "nobody else answered anything"
