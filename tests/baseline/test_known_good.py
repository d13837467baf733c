from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from release_watch.baseline.known_good import KnownGood, Pin
from release_watch.errors import InvalidInputError
from tests.judge import series

NOW = datetime(2026, 3, 10, tzinfo=UTC)
SAMPLES = {
    ("checkout", "latency"): series.at([1.0, 2.0]),
    ("checkout", "memory"): series.at([]),
    ("payments", "latency"): series.at([7.0]),
}


@pytest.fixture
def known_good(tmp_path: Path) -> KnownGood:
    return KnownGood(tmp_path, "production")


def pin(known_good: KnownGood, days: int = 30) -> Pin:
    return known_good.pin(
        "checkout",
        SAMPLES,
        release_id="shop-1.0.0",
        window=(NOW - timedelta(days=2), NOW),
        by="ada",
        reason="the quiet week",
        at=NOW,
        expires_at=NOW + timedelta(days=days),
    )


def test_a_pinned_service_is_compared_with_what_was_pinned_and_no_other_is(known_good: KnownGood) -> None:
    pin(known_good)
    captured = {key: values + 100 for key, values in SAMPLES.items()}

    reference = known_good.reference(captured, ["checkout", "payments"], NOW)

    assert {key: values.tolist() for key, values in reference.series.items()} == {
        ("checkout", "latency"): [1.0, 2.0],
        ("payments", "latency"): [107.0],
    }
    assert list(reference.pins) == ["checkout"]
    assert reference.pins["checkout"].words == (
        "shop-1.0.0, 2026-03-08T00:00:00.000Z to 2026-03-10T00:00:00.000Z, pinned by ada until "
        "2026-04-09T00:00:00.000Z: the quiet week"
    )


def test_a_pin_that_has_expired_or_was_taken_back_is_not_used(known_good: KnownGood) -> None:
    pin(known_good, days=1)
    assert known_good.pinned("checkout", NOW + timedelta(days=1)) is None
    assert known_good.pinned("checkout", NOW) is not None

    assert known_good.holds("checkout")
    known_good.unpin("checkout")
    known_good.unpin("checkout")
    assert not known_good.holds("checkout")

    assert known_good.pinned("checkout", NOW) is None


def test_samples_that_are_not_those_that_were_pinned_are_refused(
    known_good: KnownGood, tmp_path: Path
) -> None:
    pin(known_good)
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes() + b"x")

    with pytest.raises(InvalidInputError, match="is not what was pinned"):
        known_good.reference(SAMPLES, ["checkout"], NOW)

    file.unlink()
    with pytest.raises(InvalidInputError, match="is not there"):
        known_good.reference(SAMPLES, ["checkout"], NOW)


def test_a_damaged_record_is_an_error_and_no_missing_pin(known_good: KnownGood, tmp_path: Path) -> None:
    pin(known_good)
    (record,) = tmp_path.rglob("checkout.json")
    record.write_text("{}")

    with pytest.raises(InvalidInputError, match="pin it again"):
        known_good.pinned("checkout", NOW)


@pytest.mark.parametrize(
    ("service", "days", "message"),
    [("nobody", 1, "no samples to pin"), ("checkout", 0, "expires_at is not after now")],
)
def test_a_pin_without_samples_or_a_future_is_refused(
    known_good: KnownGood, service: str, days: int, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        known_good.pin(
            service,
            SAMPLES,
            release_id="r",
            window=(NOW, NOW),
            by="ada",
            reason="",
            at=NOW,
            expires_at=NOW + timedelta(days=days),
        )


def test_no_pin_outlives_the_longest_age_of_its_window(tmp_path: Path) -> None:
    pin(KnownGood(tmp_path, "production"), days=30)
    strict = KnownGood(tmp_path, "production", max_age=timedelta(days=7))

    assert strict.pinned("checkout", NOW + timedelta(days=6)) is not None
    assert strict.pinned("checkout", NOW + timedelta(days=7)) is None
    assert [one.service for one in strict.expired(["checkout"], NOW + timedelta(days=7))] == ["checkout"]
    assert strict.expired(["checkout", "payments"], NOW) == ()
    with pytest.raises(InvalidInputError, match=r"known_good_max_age allows P7D"):
        pin(strict, days=8)


def test_all_pins_are_listed_by_service_and_only_those_of_the_environment(known_good: KnownGood) -> None:
    assert known_good.all() == ()
    pin(known_good, days=1)
    other = known_good.pin(
        "payments",
        SAMPLES,
        release_id="shop-1.0.0",
        window=(NOW - timedelta(days=2), NOW),
        by="bob",
        reason="quiet, too",
        at=NOW,
        expires_at=NOW + timedelta(days=2),
    )

    assert [one.service for one in known_good.all()] == ["checkout", "payments"]
    assert known_good.all()[1] == other
