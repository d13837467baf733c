from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage.questions import Question
from release_watch.coverage.synthetics import check_synthetics
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.telemetry.metrics import Sample, series_name
from tests.coverage.conftest import AT, DEPLOYED

if TYPE_CHECKING:
    import pandas as pd

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FRESH = AT - SECOND

Audit = Callable[..., dict[str, dict[str, CoverageCheck]]]


class FakeProbes:
    """What Prometheus answers about probes: the newest result of each, and when there were some."""

    base_url = "http://prometheus.example"

    def __init__(self) -> None:
        self.newest: list[tuple[dict[str, str], datetime, float]] = []
        self.times: dict[str, list[datetime]] = {}
        self.certificates: list[tuple[dict[str, str], datetime]] = []
        self.refuses = ""
        self.asked: list[str] = []

    def probe(self, service: str, at: datetime = FRESH, success: float = 1.0, **more: str) -> None:
        self.newest.append(({"job": "blackbox", "service": service, **more}, at, success))

    def instant(self, query: str, _at: datetime | None = None) -> list[Sample]:
        self._ask(query)
        if "probe_ssl_earliest_cert_expiry" in query:
            return [Sample(labels, AT, end.timestamp()) for labels, end in self.certificates]
        if "max_over_time" in query:
            return [Sample(labels, AT, success) for labels, _, success in self.newest]
        return list(self._last())

    def _last(self) -> Iterator[Sample]:
        for labels, at, _ in self.newest:
            yield Sample(labels, AT, at.timestamp())
            yield Sample({**labels, "of": "probes"}, AT, 2.0)

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        import pandas as pd

        self._ask(query)
        index = pd.date_range(start, end, freq=step)
        counts = {
            series_name({"job": "blackbox", "service": service}): [
                float(sum(at - step < time <= at for time in times)) or None for at in index
            ]
            for service, times in self.times.items()
        }
        return pd.DataFrame(counts, index=index, dtype=float)

    def _ask(self, query: str) -> None:
        self.asked.append(query)
        if self.refuses and self.refuses in query:
            raise BackendError("Prometheus", "answered 422", status=422)


@pytest.fixture
def probes() -> FakeProbes:
    return FakeProbes()


@pytest.fixture
def audit(probes: FakeProbes, make_release: Callable[..., Release]) -> Audit:
    def audited(*services: str, at: datetime = AT, **policy: Any) -> dict[str, dict[str, CoverageCheck]]:
        question = Question(make_release("checkout"), at, CoveragePolicy(**policy), {})
        selectors = {name: f'job="blackbox",service="{name}"' for name in services}
        found = check_synthetics(selectors, probes, question)
        return {service: {check.name: check for check in checks} for service, checks in found.items()}

    return audited


def statuses(checks: dict[str, CoverageCheck]) -> dict[str, str]:
    return {name: str(check.status) for name, check in checks.items()}


def test_probes_that_succeed_pass_and_are_counted(probes: FakeProbes, audit: Audit) -> None:
    probes.probe("checkout")
    probes.probe("payments")

    found = audit("checkout", "payments")

    assert statuses(found["checkout"]) == {"live": "PASS", "succeeds": "PASS"}
    assert found["payments"]["live"].observed == "newest sample 1 s old, 2 probes"
    assert 'service="payments"' in (found["payments"]["live"].query or "")
    assert "checkout" not in (found["payments"]["live"].query or "")


def test_a_service_without_probes_fails(probes: FakeProbes, audit: Audit) -> None:
    probes.probe("payments")

    assert statuses(audit("checkout", "payments")["checkout"]) == {"live": "FAIL", "succeeds": "FAIL"}


def test_right_after_the_deployment_a_missing_probe_is_no_gap_yet(probes: FakeProbes, audit: Audit) -> None:
    found = audit("checkout", at=DEPLOYED + 14 * SECOND)["checkout"]

    assert statuses(found) == {"live": "INCONCLUSIVE", "succeeds": "INCONCLUSIVE"}


def test_a_probe_that_only_fails_is_a_gap(probes: FakeProbes, audit: Audit) -> None:
    probes.probe("checkout", success=0.0)

    assert statuses(audit("checkout")["checkout"]) == {"live": "PASS", "succeeds": "FAIL"}


def test_probes_of_another_version_are_not_of_the_release(probes: FakeProbes, audit: Audit) -> None:
    probes.probe("checkout", version="1.0.0")
    probes.probe("payments", version="1.0.0")

    found = audit("checkout", "payments")

    assert found["checkout"]["release"].observed == "only version 1.0.0"
    assert found["checkout"]["release"].status == "FAIL"
    assert "release" not in found["payments"]


def test_the_success_of_the_old_version_does_not_stand_for_the_new_one(
    probes: FakeProbes, audit: Audit
) -> None:
    probes.probe("checkout", version="1.0.0")
    probes.probe("checkout", version="1.1.0", success=0.0)

    assert statuses(audit("checkout")["checkout"]) == {"live": "PASS", "release": "PASS", "succeeds": "FAIL"}


def test_old_samples_of_the_old_version_are_no_probes_of_it(probes: FakeProbes, audit: Audit) -> None:
    probes.probe("checkout", version="1.0.0", at=DEPLOYED - SECOND)
    probes.probe("checkout")

    assert statuses(audit("checkout")["checkout"]) == {"live": "PASS", "succeeds": "PASS"}


@pytest.mark.parametrize(
    ("left", "status", "observed"),
    [
        (timedelta(days=40), "PASS", "valid for 40 d"),
        (timedelta(days=5), "PASS", "valid for 5 d"),
        (timedelta(hours=47), "FAIL", "expires in 1 d 23 h"),
        (timedelta(hours=-1), "FAIL", "expired 1 h ago"),
    ],
)
def test_a_certificate_fails_two_days_before_it_expires(
    probes: FakeProbes, audit: Audit, left: timedelta, status: str, observed: str
) -> None:
    probes.probe("checkout")
    probes.certificates = [
        ({"job": "blackbox", "service": "checkout"}, AT + left),
        ({"job": "blackbox", "service": "checkout"}, AT + timedelta(days=90)),
    ]

    check = audit("checkout")["checkout"]["certificate"]

    assert (check.status, check.observed) == (status, observed)


def every(interval: int, *pauses: tuple[int, int]) -> list[datetime]:
    seconds = range(1, 600, interval)
    return [DEPLOYED + s * SECOND for s in seconds if not any(begin < s < end for begin, end in pauses)]


@pytest.mark.parametrize(
    ("times", "status"),
    [
        pytest.param(every(15), "PASS", id="steady"),
        pytest.param(every(60), "PASS", id="once a minute"),
        pytest.param(every(15, (360, 600)), "FAIL", id="silent now"),
        pytest.param(every(60, (360, 600)), None, id="once a minute, silent not long enough to tell"),
        pytest.param(every(15, (1, 200)), "PASS", id="first probed late"),
        pytest.param(every(150), None, id="too seldom to tell"),
    ],
)
def test_a_silence_fails_only_after_steady_probing(
    probes: FakeProbes, audit: Audit, times: list[datetime], status: str | None
) -> None:
    probes.probe("checkout")
    probes.times["checkout"] = times

    check = audit("checkout")["checkout"].get("gaps")

    assert (check and str(check.status)) == status


def test_soon_after_a_deployment_no_silence_is_looked_for(probes: FakeProbes, audit: Audit) -> None:
    probes.probe("checkout", at=DEPLOYED + MINUTE)

    assert audit("checkout", at=DEPLOYED + 2 * MINUTE)["checkout"]["live"].status == "PASS"
    assert len(probes.asked) == 3


@pytest.mark.parametrize(("words", "check"), [("cert_expiry", "certificate"), ("count_over_time", "gaps")])
def test_a_query_that_is_refused_leaves_its_check_open(
    probes: FakeProbes, audit: Audit, words: str, check: str
) -> None:
    probes.probe("checkout")
    probes.refuses = words

    assert statuses(audit("checkout")["checkout"]) == {
        "live": "PASS",
        "succeeds": "PASS",
        check: "INCONCLUSIVE",
    }


def test_a_server_that_refuses_the_last_results_is_an_error(probes: FakeProbes, audit: Audit) -> None:
    probes.refuses = "timestamp"

    with pytest.raises(BackendError):
        audit("checkout")


@pytest.mark.parametrize("count", [1, 200])
def test_the_number_of_queries_does_not_grow_with_the_services(
    probes: FakeProbes, audit: Audit, count: int
) -> None:
    names = [f"s-{number}" for number in range(count)]
    for name in names:
        probes.probe(name)

    assert set(audit(*names)) == set(names)
    assert len(probes.asked) == 4
