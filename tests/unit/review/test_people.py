"""Several people at one review: no question twice, names, agreement, conflicts, and an export that says who said what."""

import csv

import pytest

from taglens.review.journal import Answer
from taglens.review.leases import Leases
from taglens.review.people import Agreement, Person, agreement, in_conflict, people
from tests.unit.review.test_review_api import client, client_in, export, folder, reply  # noqa: F401


def said(text):
    """``a:yes b:no`` as the answers to one cell."""
    words = [word.split(":") for word in text.split()]
    return [
        Answer(f"action-{number:02}", "red", reply, ("0.png",), (-1,), by, "2026-11-21T11:00:00Z", "tab-0001")
        for number, (by, reply) in enumerate(words)
    ]


CONFLICTS = {
    "a:yes": (False, "one person"),
    "a:yes b:yes": (False, "they agree"),
    "a:yes b:no": (True, "they do not"),
    "a:yes a:no": (False, "somebody who thinks again contradicts nobody"),
    "a:yes b:skip": (False, "a skip says nothing"),
    "a:yes b:no c:skip": (True, "and settles nothing"),
    "a:yes b:no c:no": (False, "a third one settled it"),
    "a:yes b:no a:yes": (False, "or one of both, who saw the other answer"),
    "a:yes b:no a:no": (False, "or gave in"),
    "a:yes b:yes c:no": (True, "the last one contradicts both"),
}


@pytest.mark.parametrize("text", CONFLICTS)
def test_what_waits_to_be_settled(text):
    waits, why = CONFLICTS[text]
    assert in_conflict(said(text)) is waits, why


def test_each_person_counts_once_for_a_cell():
    cells = [said("a:yes a:no b:no"), said("a:yes b:no"), said("b:skip")]
    assert people(cells) == [Person("a", 1, 1, 0), Person("b", 0, 2, 1)]
    assert agreement(cells) == Agreement(both=2, same=1)


def test_a_lease_ends_by_itself_and_is_renewed_by_asking():
    seconds = [0.0]
    leases = Leases(10, lambda: seconds[0])
    leases.take("one", [(0, 0), (1, 0)])
    assert leases.elsewhere("two") == {(0, 0), (1, 0)}
    assert leases.elsewhere("one") == set(), "its own are not kept from it"
    seconds[0] = 9
    leases.take("one", [(1, 0)])
    assert leases.elsewhere("two") == {(1, 0)}
    seconds[0] = 18.9
    assert leases.tabs() == 1
    seconds[0] = 19
    assert (leases.elsewhere("two"), leases.tabs()) == (set(), 0)


def taken(client, tab, **body):  # noqa: F811
    return client.post("/api/queue", json={"tab": tab, **body}).json()


def cells(told):
    return [(cell["image"], cell["label"]) for cell in told["cells"]]


def test_two_people_never_get_the_same_question(client):  # noqa: F811
    first, second = taken(client, "tab-0001", count=3), taken(client, "tab-0002", count=3)
    assert len(cells(first)) == len(cells(second)) == 3
    assert not set(cells(first)) & set(cells(second))
    assert cells(taken(client, "tab-0001", count=3)) == cells(first), "who asks again keeps what was shown"
    assert cells(taken(client, "tab-0002", kind="suspected")) == [cell for cell in [(1, 1), (0, 2)] if cell not in cells(first)]


def test_nothing_is_left_only_where_nobody_holds_a_question(client):  # noqa: F811
    every = cells(taken(client, "tab-0001", count=200))
    told = taken(client, "tab-0002")
    assert (told["cells"], told["elsewhere"], told["pages"]) == ([], len(every), 1)
    for number, (image, label) in enumerate(every):
        reply(client, image, label, action=f"action-{number:02}")
    told = taken(client, "tab-0002")
    assert (told["cells"], told["elsewhere"]) == ([], 0)


def as_person(client, by, word, action, image=0, label=0):  # noqa: F811
    body = {"action": action, "tab": f"tab-{by:>04}".replace(" ", "0"), "by": by, "image": image, "label": label, "reply": word}
    return client.post("/api/answers", json=body)


def test_every_answer_has_its_persons_name_and_contradictions_wait_to_be_settled(client, folder):  # noqa: F811
    as_person(client, "bob", "yes", "action-01")
    as_person(client, "eve", "no", "action-02")
    as_person(client, "bob", "no", "action-03", 1, 1)
    as_person(client, "eve", "no", "action-04", 1, 1)
    reply(client, 2, 1, "skip", action="action-05")
    told = client.get("/api/people").json()
    assert [(one["by"], one["yes"], one["no"], one["skip"]) for one in told["people"]] == [
        ("bob", 1, 1, 0),
        ("eve", 0, 2, 0),
        ("ada", 0, 0, 1),
    ]
    assert told["agreement"] == {"both": 2, "same": 1}
    (cell,) = told["cells"]
    assert (cell["name"], cell["class"], [(one["by"], one["reply"]) for one in cell["said"]]) == (
        "0.png",
        "red",
        [("bob", "yes"), ("eve", "no")],
    )
    as_person(client, "eve", "yes", "action-06")
    assert client.get("/api/people").json()["conflicts"] == 0
    told = export(client)
    with open(told["answers"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row[name] for name in ("image", "class", "answer", "by", "counts")) for row in rows] == [
        ("0.png", "red", "yes", "bob", "0"),
        ("0.png", "red", "no", "eve", "0"),
        ("0.png", "red", "yes", "eve", "1"),
        ("1.png", "green", "no", "bob", "0"),
        ("1.png", "green", "no", "eve", "1"),
        ("2.png", "green", "skip", "ada", "1"),
    ]
    assert client_in(folder).get("/api/people").json()["people"][0]["by"] == "bob", "also after a restart"


@pytest.mark.parametrize("by", ["a|b", " a", "a\n", "", "a" * 61, "a\u2028b"])
def test_a_name_that_a_table_cannot_hold_is_refused(client, by):  # noqa: F811
    assert as_person(client, by, "yes", "action-01").status_code == 422
