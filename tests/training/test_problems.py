"""What is wrong with a table is told before anything is learned from it."""

from dataclasses import replace

import numpy as np
import pytest

from aiops.errors import InputError
from aiops.learning.fit import Table
from training.examples import fingerprint, picked, targets_of
from training.problems import Problem, examined, label_noise, noisy_rows, refuse


def table(rows: int = 60) -> Table:
    words = ["printer jams", "password expired", "vpn drops"]
    titles = [f"{words[k % 3]} {chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(rows)]
    labels = [["hardware", "access", "network"][k % 3] for k in range(rows)]
    return Table(titles, ["please help"] * rows, {"category": labels})


def found(one: Table, validation: Table | None = None) -> dict[str, Problem]:
    return {problem.kind: problem for problem in examined(one, validation)}


def test_a_sound_table_has_no_problems() -> None:
    assert found(table()) == {}
    refuse(list(examined(table())))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: picked(t, []), "no rows"),
        (lambda t: replace(t, titles=[""] * 60, bodies=["  "] * 60), "all 60 texts are empty"),
        (lambda t: picked(t, range(12)), "at least 30 are needed"),
        (lambda t: replace(t, labels={"category": ["x"] * 60}), r"one class alone \('x'\)"),
        (lambda t: replace(t, labels={"category": [""] * 60}), "every label is empty"),
    ],
    ids=["no rows", "no text", "few rows", "one class", "no label"],
)
def test_what_cannot_be_learned_is_refused(change: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        refuse(list(examined(change(table()))))  # type: ignore[operator]


def test_a_hundred_thousand_classes_are_refused_at_once() -> None:
    rows = 100_000
    many = Table([f"ticket {k}" for k in range(rows)], [""] * rows, {"category": [f"INC{k}" for k in range(rows)]})
    with pytest.raises(InputError, match=r"100,000 classes, at most 1,000 .* is it an id or free text\?"):
        refuse(list(examined(many)))


def test_a_default_of_the_form_is_told() -> None:
    labels = ["Major" if k % 5 < 3 else f"level {k % 3}" for k in range(60)]
    problem = found(replace(table(), labels={"urgency": labels}))["default label"]
    assert "60% of rows say 'Major'" in problem.said
    usual = ["network" if k % 5 < 3 else f"level {k % 3}" for k in range(60)]
    assert "default label" not in found(replace(table(), labels={"urgency": usual}))
    nearly_all = ["network" if k % 10 else "other" for k in range(60)]
    assert "default label" in found(replace(table(), labels={"urgency": nearly_all}))


def test_copies_and_contradictions_are_told() -> None:
    one = table()
    titles, labels = list(one.titles), list(one.labels["category"])
    titles[10], labels[10] = titles[0].upper(), "network"
    problems = found(replace(one, titles=titles, labels={"category": labels}))
    assert problems["duplicates"].count == 1 and "(row 11)" in problems["duplicates"].said
    assert "1 repeated texts carry different labels" in problems["conflicting labels"].said


def test_leakage_between_the_tables_is_told() -> None:
    one = replace(table(), titles=[f"job {k} failed" for k in range(60)])
    copy = picked(one, [3, 4])
    numbers = replace(copy, titles=["job 900 failed", "disk full"])
    assert found(one, copy)["leakage"].count == 2
    assert "near leakage" not in found(one, copy), "told once"
    assert found(one, numbers)["near leakage"].count == 1
    assert "leakage" not in found(one, numbers)


def test_judging_by_older_tickets_is_told() -> None:
    one = replace(table(), times_ms=np.arange(60))
    assert found(one, replace(picked(one, [5]), titles=["new"]))["time leakage"].count == 1
    assert "time leakage" not in found(one, replace(picked(one, [5]), titles=["new"], times_ms=np.array([99])))


def test_small_matters_are_notes() -> None:
    one = table()
    labels = ["" if k < 3 else "Network " if k == 5 else "network" if k % 2 else "access" for k in range(60)]
    problems = found(replace(one, labels={"category": labels}, bodies=["fÃ¼r"] + [""] * 59))
    assert problems["unlabelled"].count == 3
    assert "'Network ' = 'network'" in problems["spelled twice"].said
    assert problems["rare classes"].count == 1
    assert problems["mixed encodings"].count == 1
    unseen = found(one, replace(picked(one, [0]), labels={"category": ["printing"]}))["unseen classes"]
    assert "printing" in unseen.said


def test_a_label_that_all_neighbours_contradict_is_told() -> None:
    rng = np.random.default_rng(0)
    centers = np.eye(8)[:2]
    vectors = np.concatenate([center + 0.1 * rng.normal(size=(40, 8)) for center in centers]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = ["access"] * 40 + ["network"] * 40
    assert noisy_rows(vectors, labels) == []
    labels[7] = "network"
    assert noisy_rows(vectors, labels) == [(7, "access")]
    (problem,) = label_noise(vectors, {"category": labels})
    assert "1 'network' among 'access'" in problem.said and "row 8" in problem.said


def test_no_text_is_quoted() -> None:
    one = replace(table(), titles=["secret word"] * 60)
    assert all("secret" not in problem.said for problem in examined(one, one))


def test_a_fingerprint_is_that_of_the_data() -> None:
    one = table()
    assert fingerprint(one) == fingerprint(table())
    assert fingerprint(one) != fingerprint(picked(one, range(1, 60)))
    assert fingerprint(one) != fingerprint(replace(one, labels={"category": ["x", *one.labels["category"][1:]]}))
    assert fingerprint(one) != fingerprint(replace(one, times_ms=np.arange(60)))
    assert len({fingerprint(Table(["ab"], ["c"], {})), fingerprint(Table(["a"], ["bc"], {}))}) == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [(["a b=c"], "--target a b=c"), (["scope=x"], "none of"), (["=x"], "NAME=COLUMN"), ([], "nothing to learn"),
     (["a=b", "a=c"], "twice")],
)  # fmt: skip
def test_targets_that_make_no_sense_are_refused(given: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        targets_of(given)


def test_a_target_may_be_named_as_its_column() -> None:
    assert targets_of(["intent", "team=assignment_group"]) == {"intent": "intent", "team": "assignment_group"}
