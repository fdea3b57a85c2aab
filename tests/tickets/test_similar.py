"""Past tickets like a new one: who is found, who must not be, and what is shown of them."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.errors import InputError, SnapshotError
from aiops.tickets.encoder import Encoder
from aiops.tickets.similar import PastItem, Projection, SimilarIndex
from tests.tickets.plain_similar import plain_scores
from training.tickets import read

PAST = [
    PastItem("1", title="VPN drops", text="It disconnects every ten minutes. I work from home.", resolution="new MTU"),
    PastItem("2", title="Printer jam", text="Paper is stuck in tray 2.", tenant="acme", created_ms=2000),
    PastItem("3", title="Backup failed", text="The job ended with error 0x8007006E.", created_ms=1000),
    PastItem("INC-7", "incident", "checkout latency", "latency_ms is 4x its usual level", created_ms=3000),
]


@lru_cache
def projection(encoder: Encoder) -> Projection:
    return Projection.fit(encoder.encode([f"{one.title}\n{one.body}" for one in read()[:300]]).sentence)


@pytest.fixture
def index(encoder: Encoder) -> SimilarIndex:
    index = SimilarIndex(projection(encoder), encoder.digest)
    index.add(PAST, encoder.encode([item.joined for item in PAST]).sentence)
    return index


def found(index: SimilarIndex, encoder: Encoder, text: str, **options: object) -> list[str]:
    hits = index.search(text, encoder.encode([text]).sentence[0], 10, **options)  # type: ignore[arg-type]
    return [hit.item_id for hit in hits]


def test_the_same_trouble_in_other_words_is_first(index: SimilarIndex, encoder: Encoder) -> None:
    assert found(index, encoder, "my remote connection is lost all the time")[0] == "1"
    assert found(index, encoder, "what is 0x8007006E")[0] == "3"
    assert found(index, encoder, "checkout is slow")[0] == "INC-7"


def test_a_hit_shows_the_sentence_that_matches_and_what_helped(index: SimilarIndex, encoder: Encoder) -> None:
    text = "vpn disconnects again every ten minutes"
    hit = index.search(text, encoder.encode([text]).sentence[0], 1)[0]
    assert hit.passage == "It disconnects every ten minutes"
    assert hit.resolution == "new MTU"
    assert 0.2 < hit.score < 1


def test_other_tenants_and_later_items_are_never_found(index: SimilarIndex, encoder: Encoder) -> None:
    assert found(index, encoder, "printer jam", tenant="acme") == ["2"]
    assert "2" not in found(index, encoder, "printer jam", tenant="")
    assert found(index, encoder, "printer jam", before_ms=2000, tenant="")[0] != "2"
    assert set(found(index, encoder, "printer jam", before_ms=2000)) == {"1", "3"}, "1 is of unknown time"
    assert found(index, encoder, "printer jam", tenant="nobody") == []


def test_an_item_is_replaced_by_its_id_and_removed(index: SimilarIndex, encoder: Encoder) -> None:
    mended = PastItem("1", title="VPN drops", text="closed", resolution="router replaced")
    index.add([mended], encoder.encode([mended.joined]).sentence)
    assert len(index) == 4
    index.remove(["2", "never there"])
    assert len(index) == 4, "2 is of another tenant"
    index.remove(["2"], "acme")
    assert len(index) == 3
    assert "2" not in found(index, encoder, "printer jam")


def test_what_is_saved_is_found_again(index: SimilarIndex, encoder: Encoder, tmp_path: Path) -> None:
    index.refit()  # as loading does
    index.save(tmp_path)
    other = SimilarIndex.load(tmp_path, encoder.digest)
    text = "connection drops"
    vector = encoder.encode([text]).sentence[0]
    assert other.search(text, vector, 10) == index.search(text, vector, 10)


def test_a_damaged_or_foreign_index_is_refused(index: SimilarIndex, encoder: Encoder, tmp_path: Path) -> None:
    index.save(tmp_path)
    with pytest.raises(SnapshotError, match="another"):
        SimilarIndex.load(tmp_path, "another encoder")
    for path in tmp_path.iterdir():
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] + b"x" + whole[-8:])
        with pytest.raises(SnapshotError):
            SimilarIndex.load(tmp_path, encoder.digest)
        path.write_bytes(whole)
    with pytest.raises(SnapshotError, match="No such file"):
        SimilarIndex.load(tmp_path / "none", encoder.digest)


def test_at_its_limit_the_items_added_first_go(encoder: Encoder) -> None:
    index = SimilarIndex(projection(encoder), encoder.digest, items_max=2)
    index.add(PAST, encoder.encode([item.joined for item in PAST]).sentence)
    assert set(found(index, encoder, "printer jam")) == {"3", "INC-7"}


@pytest.fixture(scope="module")
def many(encoder: Encoder) -> tuple[SimilarIndex, list[PastItem], NDArray[np.float32]]:
    tickets = read()[::4]
    items = [
        PastItem(f"{k}", "ticket", one.title, one.body, ("acme", "")[k % 3 == 0], 1000 + k)
        for k, one in enumerate(tickets)
    ]
    vectors = encoder.encode([item.joined for item in items]).sentence
    index = SimilarIndex(projection(encoder), encoder.digest)
    for start in range(0, len(items), 50):
        index.add(items[start : start + 50], vectors[start : start + 50])
    return index, items, vectors


def test_the_search_is_exact(many: tuple[SimilarIndex, list[PastItem], NDArray[np.float32]]) -> None:
    index, items, vectors = many
    index.refit()
    for k in range(0, len(items), 25):
        told = index.ranked(items[k].joined, vectors[k], 10)
        plain = plain_scores(items, vectors, index.projection, items[k].joined, vectors[k])
        best = np.argsort(-plain)[:10]
        assert [score for _, score in told] == pytest.approx(plain[best], abs=4e-3), "vectors are kept in 8 bits"
        assert all(plain[int(item_id)] >= plain[best[-1]] - 4e-3 for item_id, _ in told)


def test_what_was_added_since_the_last_fit_is_found_too(
    many: tuple[SimilarIndex, list[PastItem], NDArray[np.float32]], encoder: Encoder
) -> None:
    index, _, _ = many
    text = "zqx9 quantum flux sensor reports code QF-77119"
    item = PastItem("new", text=text, tenant="lab")
    index.add([item], encoder.encode([text]).sentence)
    assert found(index, encoder, text, tenant="lab") == ["new"]
    assert found(index, encoder, "code QF-77119")[0] == "new"
    index.remove(["new"], "lab")
    assert found(index, encoder, text, tenant="lab") == []


def test_coming_and_going_leaves_no_trace(
    many: tuple[SimilarIndex, list[PastItem], NDArray[np.float32]], encoder: Encoder
) -> None:
    _, items, vectors = many
    straight, winding = (SimilarIndex(projection(encoder), encoder.digest) for _ in range(2))
    straight.add(items[200:400], vectors[200:400])
    winding.add(items[:400], vectors[:400])
    for item in items[:200]:
        winding.remove([item.item_id], item.tenant)
    winding.add(items[300:400], vectors[300:400])
    for one in (straight, winding):
        one.refit()
    for k in range(0, 400, 40):
        told = [one.ranked(items[k].joined, vectors[k], 10) for one in (straight, winding)]
        assert [score for _, score in told[0]] == pytest.approx([score for _, score in told[1]], abs=1e-5)


def test_what_says_the_same_is_shown_once_with_its_number(encoder: Encoder) -> None:
    texts = ["mail server is down, nobody gets mail", "Mail server down, nobody gets mail!", "printer jam in tray 2"]
    items = [PastItem(str(k), text=text) for k, text in enumerate(texts)]
    items.append(PastItem("3", text=f"{texts[0]}.", resolution="restarted it"))
    index = SimilarIndex(projection(encoder), encoder.digest)
    index.add(items, encoder.encode([item.joined for item in items]).sentence)
    first, second = index.search(texts[0], encoder.encode([texts[0]]).sentence[0], 5)
    assert first.duplicates == 2 and second.duplicates == 0
    assert first.resolution == "restarted it", "of one that says the same"
    assert set(first.live) | {first.item_id} >= {"0", "1"}
    assert second.item_id == "2"


def test_vectors_that_do_not_fit_are_refused(index: SimilarIndex) -> None:
    with pytest.raises(InputError, match="shape"):
        index.add(PAST, np.zeros((4, 7), np.float32))
