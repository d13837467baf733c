from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_watch.artifacts.models import Severity
from release_watch.catalog.models import Service, Signals, Tier, TracesSignal
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.telemetry.traces import NoTraceQLError, Span, Spans
from release_watch.verdict import Verdict
from release_watch.watch.sightings import Heard
from release_watch.watch.trace_errors import MOST_TRACES, Share, trace_errors

DEPLOYED = datetime(2026, 3, 2, 12, tzinfo=UTC)
LENGTH = timedelta(minutes=10)
AT = DEPLOYED + LENGTH
SERVICE = Service(
    name="payments",
    tier=Tier.CRITICAL,
    owner="team-money",
    signals=Signals(traces=TracesSignal(service_name="payments")),
)


class FakeTempo:
    """Has spans a second apart, of which one in so many failed, after the release and before it."""

    error: BackendError = NoTraceQLError("Tempo", "refused")

    def __init__(
        self, failing: int = 0, failing_before: int = 0, per_second: int = 1, refused: str = ""
    ) -> None:
        self.failing, self.failing_before = failing, failing_before
        self.per_second, self.refused = per_second, refused
        self.asked: list[str] = []

    def traces(self, service: Service | None = None) -> FakeTempo:  # noqa: ARG002 - as the protocol has it
        return self

    def spans(self, query: str, start: datetime, end: datetime, limit: int) -> Spans:
        self.asked.append(query)
        if self.refused and self.refused in query:
            raise self.error
        seconds = range(1, int((end - start).total_seconds()) + 1)
        every = self.failing if start >= DEPLOYED else self.failing_before
        only_failed = "status = error" in query or "status_code >= 500" in query
        times = [
            start + timedelta(seconds=n)
            for n in seconds
            if not only_failed or (every and n % every == 0)
            for _ in range(self.per_second)
        ]
        found = [Span(str(n), at, "charge", {}) for n, at in enumerate(times)]
        return Spans(found[:limit], len(found) < limit)


def told(tempo: FakeTempo | Exception, *, length: timedelta = timedelta(minutes=4)) -> Heard:
    class Backends:
        def traces(self, service: Service | None = None) -> FakeTempo:  # noqa: ARG002
            if isinstance(tempo, Exception):
                raise tempo
            return tempo

    return trace_errors(
        [SERVICE],
        Backends(),  # type: ignore[arg-type]
        version="1.1.0",
        deployed_at=DEPLOYED,
        length=length,
        at=AT,
    )


@pytest.mark.parametrize(
    ("failing", "before", "worse"),
    [
        pytest.param(0, 0, False, id="none-fails"),
        pytest.param(4, 0, True, id="a-quarter-fails"),
        pytest.param(4, 4, False, id="as-many-as-before"),
        pytest.param(80, 0, False, id="a-few-fail"),
    ],
)
def test_which_share_of_failed_spans_is_a_finding(failing: int, before: int, worse: bool) -> None:
    heard = told(FakeTempo(failing, before))

    assert [one.severity for one in heard.sightings] == ([Severity.MAJOR] if worse else [])
    assert heard.objectives[0].verdict is (Verdict.WARN if worse else Verdict.GO)


def test_of_a_busy_service_the_newest_stretch_is_told() -> None:
    heard = told(FakeTempo(4, 0, per_second=10))

    (sighting,) = heard.sightings
    assert sighting.objective.samples is not None
    assert sighting.objective.samples < MOST_TRACES
    assert "in 15 s" in sighting.reason


@pytest.mark.parametrize(
    "error",
    [NoTraceQLError("Tempo", "refused", status=400), BackendError("Tempo", "answered 500: rootToken")],
    ids=["refuses-it", "fails-at-it"],
)
def test_a_server_that_knows_no_status_is_asked_for_the_code(error: BackendError) -> None:
    tempo = FakeTempo(4, 0, refused="status = error")
    tempo.error = error

    assert len(told(tempo).sightings) == 1
    assert any("status_code >= 500" in query for query in tempo.asked)


@pytest.mark.parametrize(
    ("tempo", "verdict", "words"),
    [
        (FakeTempo(refused="service.name"), Verdict.WARN, "cannot tell failed spans"),
        (FakeTempo(per_second=400), Verdict.WARN, "too many spans"),
        (NotConfiguredError("tempo_default", "traces"), Verdict.INCONCLUSIVE, "AIRFLOW_CONN_TEMPO_DEFAULT"),
    ],
    ids=["no-traceql", "too-busy", "not-configured"],
)
def test_what_cannot_be_told_says_so_and_findings_stay(
    tempo: FakeTempo | Exception, verdict: Verdict, words: str
) -> None:
    heard = told(tempo, length=timedelta(seconds=64))

    assert heard.objectives[0].verdict is verdict
    assert words in heard.objectives[0].reason
    assert heard.unheard == {("payments", "trace_error_ratio")}


def test_few_spans_tell_nothing() -> None:
    heard = told(FakeTempo(1, 0), length=timedelta(seconds=10))

    assert heard.sightings == ()
    assert "fewer than 20" in heard.objectives[0].reason


@pytest.mark.parametrize(("failed", "total"), [(0, 0), (0, 50), (50, 50), (7, 100)])
def test_the_interval_holds_the_share(failed: int, total: int) -> None:
    low, high = Share(failed, total, LENGTH).interval

    assert 0 <= low <= Share(failed, total, LENGTH).ratio + 1e-12
    assert Share(failed, total, LENGTH).ratio - 1e-12 <= high <= 1
