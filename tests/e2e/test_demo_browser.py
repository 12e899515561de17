"""The demo page in a real browser.

TAGLENS_SCREENSHOTS=docs/images renews the pictures of the docs; TAGLENS_SCREENSHOT_RUN names a trained run to take them of.
"""

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import SCENE_CLASSES, draw_scene
from taglens.methods import method_config
from taglens.recognizer import Recognizer
from tests.e2e.contrast import CONTRAST
from tests.e2e.prediction_server import predicting

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SHOTS = os.environ.get("TAGLENS_SCREENSHOTS")
KEY = "a-key-of-twenty-signs"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "scenes"
    Recognizer.create(load_backbone("tiny"), "zero_shot", method_config("zero_shot")(), SCENE_CLASSES, SCENE_CLASSES).save(folder)
    return folder


@pytest.fixture(scope="module")
def server(run):
    with predicting(run) as server:
        yield server


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "scene.jpg"
    draw_scene(7, 900).picture.save(path)
    return path


@pytest.fixture
def open_page(browser):
    contexts, wrong = [], []

    def open_(url, size="desktop", scheme="light"):
        width, height = SIZES[size]
        phone = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2} if size == "phone" else {}
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **phone)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: "Content Security Policy" in message.text and wrong.append(message.text))
        page.on("request", lambda request: request.url.startswith((url, "blob:", "data:")) or wrong.append(f"asked for {request.url}"))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def look_at(page, path):
    page.set_input_files("#file", str(path))
    page.wait_for_selector("#all li", state="attached")
    page.wait_for_selector("#stage:not(.busy)")
    page.evaluate("document.getElementById('more').open = true")


def test_a_picture_its_tags_and_where_each_was_seen(open_page, server, picture):
    page = open_page(server.url)
    page.wait_for_selector("#model:has-text('24 classes')")
    look_at(page, picture)
    names = page.locator("#all button").evaluate_all("buttons => buttons.map(button => button.dataset.name)")
    assert set(names) == set(SCENE_CLASSES)
    values = page.locator("#all .bar i").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
    assert values == sorted(values, reverse=True)
    painted = set()
    for button in page.locator("#all button").all()[:3]:
        button.hover()
        page.wait_for_selector("#frame.lit")
        assert button.get_attribute("data-name") in page.inner_text("#caption")
        painted.add(page.evaluate("document.getElementById('heat').toDataURL()"))
    assert len(painted) == 3, "each class has its own heatmap"


def test_an_own_class_name(open_page, server, picture):
    page = open_page(server.url)
    look_at(page, picture)
    page.fill("#own", "  yellow   sun ")
    page.keyboard.press("Enter")
    page.wait_for_selector("#names button[data-name='yellow sun']")
    assert "yellow sun" in page.inner_text("#caption")
    page.fill("#own", "kite")
    page.keyboard.press("Enter")
    page.wait_for_selector("#names button[data-name='kite']")
    page.click("#names button[data-name='kite'] ~ .remove")
    page.wait_for_selector("#names button[data-name='kite']", state="detached")
    assert page.locator("#names button[data-name]").count() == 1


def test_by_keyboard_alone(open_page, server, picture):
    page = open_page(server.url)
    look_at(page, picture)
    page.locator("#all button").nth(1).focus()
    page.keyboard.press("Tab")
    page.wait_for_selector("#frame.lit")
    name = page.evaluate("document.activeElement.dataset.name")
    assert name in page.inner_text("#caption")
    page.keyboard.press("Enter")
    assert page.get_attribute(f"#all button[data-name='{name}']", "aria-pressed") == "true"


def test_what_is_no_picture_is_explained(open_page, server, picture, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    page = open_page(server.url)
    page.set_input_files("#file", str(tmp_path / "notes.txt"))
    page.wait_for_selector("#problem:not([hidden])")
    assert "not a picture" in page.inner_text("#problem")
    look_at(page, picture)
    assert page.is_hidden("#problem")


def test_the_key_is_asked_for(open_page, run, picture):
    with predicting(run, environment=os.environ | {"TAGLENS_API_KEY": KEY}) as server:
        page = open_page(server.url)
        page.wait_for_selector("#keyform:not([hidden])")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#keyform[hidden]", state="attached")
        look_at(page, picture)


@pytest.mark.parametrize("size", SIZES)
def test_text_has_contrast_and_fits_the_width(open_page, server, picture, size):
    for scheme in ("light", "dark"):
        for path, ready in (("", "#model:has-text('24 classes')"), ("docs", "#docs section")):
            page = open_page(server.url, size, scheme)
            page.goto(server.url + path)
            page.wait_for_selector(ready)
            if not path:
                assert page.evaluate(CONTRAST) == []
                look_at(page, picture)
            assert page.evaluate(CONTRAST) == [], f"{path}, {scheme}: text with less contrast than WCAG 2.2 AA asks for"
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


@pytest.mark.skipif(not SHOTS, reason="only to renew the pictures of the docs (TAGLENS_SCREENSHOTS=docs/images)")
def test_screenshots(open_page, run, picture):
    with predicting(Path(os.environ.get("TAGLENS_SCREENSHOT_RUN", run))) as server:
        for size, scheme in (("desktop", "light"), ("phone", "dark")):
            page = open_page(server.url, size, scheme)
            look_at(page, os.environ.get("TAGLENS_SCREENSHOT_PICTURE", picture))
            page.wait_for_timeout(600)
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            with Image.open(BytesIO(page.screenshot())) as shot:  # 256 colours: a third of the bytes
                shot.convert("RGB").quantize(256).save(Path(SHOTS) / f"demo-{size}.png", optimize=True)
