"""`taglens review` as a process: killed, started again, stopped, exported, and refusing what does not belong together."""

import os

import httpx
import pytest

from taglens.cli.main import main
from taglens.labels.table import LabelTable
from taglens.review.journal import read_journal
from tests.e2e.review_server import make_run, make_table, serving


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture
def table(tmp_path):
    return make_table(tmp_path / "data")


def client_of(server):
    client = httpx.Client(base_url=server.url)
    session = client.get("/api/session").json()
    client.headers["x-taglens-token"] = session["token"]
    return client, session


def answer_next(client, number, word="yes"):
    cell = client.get("/api/queue", params={"count": 1}).json()["cells"][0]
    body = {"action": f"action-{number:03}", "tab": "tab-0001", "image": cell["image"], "label": cell["label"], "reply": word}
    assert client.post("/api/answers", json=body).status_code == 200
    return cell["name"], cell["class"]


def test_killed_started_again_stopped_and_exported(run, table, capsys):
    with serving(run, table) as server:
        client, session = client_of(server)
        assert session["progress"]["suspected"] == 1
        given = [answer_next(client, number, "no" if number % 3 else "yes") for number in range(9)]
        assert client.get("/api/pictures/0/heat/0").headers["content-type"] == "image/jpeg"
        server.kill()
    journal = table.with_name("labels.review.jsonl")
    with journal.open("ab") as torn:  # the kill came within the next line
        torn.write(b'{"action":"action-009","label":"ca')
    with serving(run, table) as server:
        client, session = client_of(server)
        assert session["progress"]["answered"] == 9
        given.append(answer_next(client, 10, "yes"))
        assert main(["review", str(run), str(table), "--no-browser", "--port", "0"]) == 2
        assert "is in use by another taglens review" in " ".join(capsys.readouterr().err.split())
        status, said = server.interrupt()
    assert (status, "10 answers in" in said, "--export" in said) == (0, True, True)
    settled = read_journal(journal).settled()
    assert set(settled) == set(given)
    assert main(["review", str(run), str(table), "--export"]) == 0
    captured = capsys.readouterr()
    assert "10 reviewed labels" in captured.err
    assert captured.out.startswith("taglens train ")
    exported = LabelTable.read(table.with_name("labels.reviewed.csv"))
    for (image, label), answer in settled.items():
        place = exported.images.index(image), exported.classes.index(label)
        assert exported.labels.values[place] == (answer.reply == "yes")
        assert exported.origins[exported.origin_index[place]].by == "ada"


def refusal(capsys, run, table, *arguments):
    try:
        status = main(["review", str(run), str(table), "--no-browser", "--port", "0", *map(str, arguments)])
    except SystemExit as ended:  # the parser's own end when a value is refused
        status = ended.code
    assert status == 2
    return " ".join(capsys.readouterr().err.split())


def test_a_journal_of_another_run_is_refused(run, table, tmp_path, capsys):
    with serving(run, table) as server:
        answer_next(client_of(server)[0], 1)
    other = make_run(tmp_path / "second")
    (other / "weights.safetensors").write_bytes((other / "weights.safetensors").read_bytes().replace(b"text_vectors", b"text_vectorz"))
    said = refusal(capsys, other, table, "--export")
    assert f"its 1 answer is about run {run}" in said
    assert "--journal" in said


def test_moved_pictures_are_said_at_once(run, table, capsys):
    os.rename(table.parent / "pictures", table.parent / "elsewhere")
    assert "none of the 14 pictures is where the table says" in refusal(capsys, run, table)


def test_a_run_that_is_none(table, capsys):
    table.with_name("labels.review.jsonl").write_text('{"run":"r","run_name":"r","table":"labels.csv","names":"n","time":"","format":1}\n')
    assert "nowhere: no finished run" in refusal(capsys, "nowhere", table, "--export")


WRONG = {
    "an address that is not ours": (["--host", "192.0.2.1"], "cannot listen at 192.0.2.1"),
    "a port that is none": (["--port", "70000"], "--port must lie between 0 and 65535, came 70000"),
    "a name that a table cannot hold": (["--by", "a|b"], "--by must be a name without '|' and outer space, came 'a|b'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input(run, table, capsys, name):
    arguments, expected = WRONG[name]
    assert expected in refusal(capsys, run, table, *arguments)
