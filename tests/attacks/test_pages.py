"""Pages made of what strangers named: no script, no attribute that runs one, and no address comes out of a name."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import taglens
from taglens.backbones.openclip import load_backbone
from taglens.cli.main import main
from taglens.markdown import as_text
from taglens.methods import method_config
from taglens.recognizer import Recognizer

SOURCE = Path(taglens.__file__).parent
TEMPLATES = sorted(SOURCE.rglob("*.j2"))
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include 'page.css' %}",
    "</style></title><u>under</u>",
    "&lt;u&gt;",
    "]]> --> <!-- <![CDATA[",
)
FILES = tuple(name.replace("/", "∕") + ".png" for name in NAMES)
MARKED_UP = {
    # what goes into a page without being escaped                why that is right
    "completion/report.py": 2,  # plots: matplotlib escapes the texts in its SVG
    "runs/report.py": 1,  # plots
    "sweeps/report.py": 1,  # plots
}


class Elements(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def harmless(page):
    """Return the page's text; fail where a name has become more than text."""
    found = Elements(page)
    assert not found.tags & {"script", "iframe", "object", "embed", "u", "base", "form"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    addresses = [value for name, value in found.attributes if name in ("src", "href", "xlink:href", "action")]
    assert not [value for value in addresses if re.match(r"\s*(javascript|https?|vbscript):|x$", value)]
    assert "{{ 49" not in page
    return " ".join(found.texts)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_lets_anything_through(template):
    text = template.read_text("utf-8")
    assert not re.search(r"\|\s*safe|autoescape|Markup", text)
    for quoted in re.findall(r"=\s*\{\{", text):
        raise AssertionError(f"{template.name}: an attribute without quotes: {quoted}")
    assert not re.search(r"<(script|style)[^>]*>[^<]*\{\{(?!\s*(css|style))", text), "names cannot be escaped for scripts and styles"


def test_what_is_not_escaped_is_known():
    found = {str(path.relative_to(SOURCE)): path.read_text("utf-8").count("Markup(") for path in SOURCE.rglob("*.py")}
    assert {name: count for name, count in found.items() if count} == MARKED_UP


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("named")
    (folder / "pictures").mkdir()
    for number, name in enumerate(FILES):
        Image.new("RGB", (40, 30), (30 * number, 99, 200)).save(folder / "pictures" / name)
    Recognizer.create(load_backbone("tiny"), "zero_shot", method_config("zero_shot")(), NAMES, NAMES).save(folder / "run")
    return folder


def test_explain(folder):
    pictures = [str(folder / "pictures" / name) for name in FILES]
    out = folder / "page"
    assert main(["explain", str(folder / "run"), *pictures, "--out", str(out), "--device", "cpu"]) == 0
    pages = list(out.rglob("*.html"))
    assert pages
    text = " ".join(harmless(page.read_text("utf-8")) for page in pages)
    assert any(name in text for name in NAMES), "the names are there, as text"


def test_plots_escape_their_texts():
    from taglens.pages.plots import history_plots

    history = [{"epoch": epoch, "loss": 1.0, "held_out_mAP": 1.0, "rate": 0.1} for epoch in (1, 2)]
    for title, svg in history_plots(history, 1).items():
        harmless(f"<h2>{title}</h2>{svg}")


def test_markdown_holds_names_as_text():
    for name in (*NAMES, "a|b", "[x](javascript:alert(1))", "![x](http://evil.example/x.png)", "# head\n# two", "`code`"):
        written = as_text(name)
        assert "<" not in written
        assert "\n" not in written
        assert not re.search(r"(?<!\\)[\[\]|`*_]", written), written
        assert unescape(re.sub(r"\\(.)", r"\1", written)) == " ".join(name.split()), "it is shown as it is"


def test_the_card_and_the_comparison_write_names_as_text():
    for room in ("export/card.py", "runs/comparison.py"):
        assert "as_text(" in (SOURCE / room).read_text("utf-8")
