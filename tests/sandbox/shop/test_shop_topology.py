from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.shop.load import KINDS, NIGHT_SHARE, rate_at
from sandbox.shop.topology import SHOP, endpoints_of, new_endpoints, next_minor, parse_version


def test_a_service_starts_after_those_it_calls() -> None:
    order = list(SHOP)
    assert all(order.index(called) < order.index(s.name) for s in SHOP.values() for called in s.calls)


def test_version_1_1_0_brings_refunds_and_nothing_else() -> None:
    new = [(s, e.method, e.path) for s in SHOP for e in new_endpoints(s, "1.0.0", "1.1.0")]
    assert new == [("payments", "POST", "/refunds"), ("checkout", "POST", "/orders/{id}/refund")]


def test_later_versions_keep_the_endpoints() -> None:
    assert endpoints_of("checkout", "1.10.0") == endpoints_of("checkout", "1.1.0")
    assert new_endpoints("checkout", "1.1.0", "1.2.0") == ()


@pytest.mark.parametrize(("version", "after"), [("1.0.0", "1.1.0"), ("1.9.3", "1.10.0")])
def test_the_next_minor_version(version: str, after: str) -> None:
    assert next_minor(version) == after


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.x", "v1.0.0", "", "1.0.0.0", "-1.0.0"])
def test_a_malformed_version_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        parse_version(version)


@given(seconds=st.floats(0, 1e10), day=st.floats(1, 1e5), peak=st.floats(0.1, 100))
def test_the_load_stays_between_night_and_peak(seconds: float, day: float, peak: float) -> None:
    assert peak * NIGHT_SHARE * 0.999 <= rate_at(seconds, day=day, peak=peak) <= peak * 1.001


def test_the_load_peaks_in_the_middle_of_a_day_and_repeats() -> None:
    rates = [rate_at(t, day=600, peak=8) for t in range(0, 600, 10)]
    assert rates.index(max(rates)) == 30
    assert max(rates) == pytest.approx(8)
    assert rate_at(100, day=600, peak=8) == pytest.approx(rate_at(700, day=600, peak=8))


def test_the_kinds_of_visits_add_up() -> None:
    assert sum(share for _, share in KINDS) == pytest.approx(1)
