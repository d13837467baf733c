from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.drills.receipts import MOST_ALERTS, Page, Receipts
from release_watch.errors import InvalidInputError

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)


def notice(drill_id: str = "t-1", status: str = "firing", receiver: str = "oncall", **labels: str) -> Any:
    drill = {"drill": "true", "drill_id": drill_id, **labels}
    return {"receiver": receiver, "alerts": [{"status": status, "labels": drill, "fingerprint": "f"}]}


@pytest.fixture
def receipts(tmp_path: Path) -> Receipts:
    return Receipts.under(tmp_path)


def test_a_receipt_is_found_by_drill_and_status(receipts: Receipts) -> None:
    (recorded,) = receipts.record(notice(), AT)

    assert receipts.find("t-1", "firing") == recorded
    assert (recorded.receiver, recorded.at, recorded.uri.startswith("file://")) == ("oncall", AT, True)
    assert receipts.find("t-1", "resolved") is None
    assert receipts.find("t-2", "firing") is None


def test_the_first_receipt_stands(receipts: Receipts) -> None:
    receipts.record(notice(), AT)

    receipts.record(notice(), AT + timedelta(hours=1))

    found = receipts.find("t-1", "firing")
    assert found is not None
    assert found.at == AT


def test_a_receipt_of_another_receiver_does_not_count_where_one_is_named(receipts: Receipts) -> None:
    receipts.record(notice(receiver="tickets"), AT)

    assert receipts.find("t-1", "firing", ["oncall"]) is None
    assert receipts.find("t-1", "firing", ["oncall", "tickets"]) is not None


def test_real_alerts_leave_no_receipt(receipts: Receipts, tmp_path: Path) -> None:
    real = {"receiver": "oncall", "alerts": [{"status": "firing", "labels": {"alertname": "Down"}}]}

    assert receipts.record(real, AT) == ()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        pytest.param(None, "body", id="nothing"),
        pytest.param([], "body", id="a list"),
        pytest.param({"alerts": []}, "receiver", id="no receiver"),
        pytest.param(
            {"receiver": "a", "alerts": [{"status": "odd", "labels": {}}]}, "status", id="odd status"
        ),
        pytest.param(notice("../../etc/passwd"), "drill_id", id="a path as id"),
        pytest.param(notice(""), "drill_id", id="an empty id"),
        pytest.param(
            {"receiver": "a", "alerts": notice()["alerts"] * (MOST_ALERTS + 1)},
            "alerts",
            id="too many alerts",
        ),
    ],
)
def test_what_is_no_notice_is_refused_and_leaves_nothing(
    receipts: Receipts, tmp_path: Path, payload: Any, field: str
) -> None:
    with pytest.raises(InvalidInputError, match=field):
        receipts.record(payload, AT)

    assert list(tmp_path.rglob("*")) == []


@given(receiver=st.text(min_size=1, max_size=300), extra=st.text(max_size=50))
def test_any_receiver_name_is_kept_inside_the_root(
    tmp_path_factory: pytest.TempPathFactory, receiver: str, extra: str
) -> None:
    root = tmp_path_factory.mktemp("root")
    receipts = Receipts.under(root)

    receipts.record(notice(receiver=receiver, note=extra), AT)

    assert receipts.find("t-1", "firing") is not None
    assert {path.parent.name for path in root.rglob("*.json")} == {"t-1"}


def test_the_first_acknowledgement_stands(receipts: Receipts) -> None:
    receipts.record(notice(), AT)
    first = receipts.acknowledge("t-1", "oncall", AT)

    assert receipts.acknowledge("t-1", "sre", AT + timedelta(minutes=1)) == first
    assert receipts.acknowledgement("t-1") == ("oncall", AT)


def test_nobody_acknowledges_what_has_not_arrived(receipts: Receipts) -> None:
    receipts.record(notice(status="resolved"), AT)

    with pytest.raises(InvalidInputError, match="has reached no receiver"):
        receipts.acknowledge("t-1", "oncall", AT)
    assert receipts.acknowledgement("t-1") is None


def test_an_acknowledgement_names_a_person(receipts: Receipts) -> None:
    receipts.record(notice(), AT)

    with pytest.raises(InvalidInputError, match="names nobody"):
        receipts.acknowledge("t-1", " ", AT)


def test_a_record_that_cannot_be_read_proves_nothing(receipts: Receipts, tmp_path: Path) -> None:
    receipts.record(notice(), AT)
    for file in tmp_path.rglob("firing-*.json"):
        file.write_text("{")

    assert receipts.find("t-1", "firing") is None


def page(level: int = 2, person: str = "bob", minutes: int = 0, **more: Any) -> Page:
    at = AT + timedelta(minutes=minutes)
    return Page(drill_id="t-1", level=level, role="sre", person=person, at=at, channel="mail", **more)


def test_pages_are_told_by_level_and_time(receipts: Receipts) -> None:
    made = [page(2, "bob", 5), page(1, "anna", 0), page(2, "ann/../a", 6)]
    for one in made:
        receipts.record_page(one)

    assert receipts.pages("t-1") == (made[1], made[0], made[2])
    assert receipts.pages("t-2") == ()


def test_the_first_page_to_a_person_stands(receipts: Receipts) -> None:
    first = receipts.record_page(page(proof="task 1"))

    assert receipts.record_page(page(minutes=3, proof="task 2")) == first
    assert receipts.pages("t-1") == (first,)


def test_a_page_record_that_cannot_be_read_proves_nothing(receipts: Receipts, tmp_path: Path) -> None:
    receipts.record_page(page())
    for file in tmp_path.rglob("page-*.json"):
        file.write_text("{")

    assert receipts.pages("t-1") == ()


def test_a_page_is_no_receipt(receipts: Receipts) -> None:
    receipts.record_page(page())

    assert receipts.find("t-1", "firing") is None
    assert receipts.missing("t-1", "firing", ["oncall"]) == ("oncall",)


def test_the_receivers_without_a_receipt_are_missing(receipts: Receipts) -> None:
    receipts.record(notice(receiver="second"), AT)

    assert receipts.missing("t-1", "firing", ["oncall", "second", "third"]) == ("oncall", "third")
    assert receipts.missing("t-1", "resolved", ["second"]) == ("second",)
