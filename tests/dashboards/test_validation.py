"""Panel queries run before anyone relies on the panel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from release_watch.dashboards.models import Dashboard, PanelQuery
from release_watch.dashboards.validation import check_panels
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Sample

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Answers:
    """Metrics that give one prepared answer."""

    base_url = "http://prometheus"

    def __init__(self, values: list[float], status: int | None = 200) -> None:
        self._values = values
        self._status = status

    def instant(self, *_: object) -> list[Sample]:
        if self._status != 200:
            raise BackendError("Prometheus", "parse error", status=self._status)
        return [Sample({}, AT, value) for value in self._values]

    def range(self, *_: object) -> object:
        raise NotImplementedError


@pytest.fixture
def dashboard() -> Dashboard:
    return Dashboard(uid="u", title="t", kind="slo", json={}, queries=(PanelQuery("p", "up", "l"),))


@pytest.mark.parametrize(
    ("values", "answered", "samples"),
    [([1.0, 2.0], True, 2), ([], False, 0), ([float("nan")], False, 0)],
    ids=["values", "nothing", "not a number"],
)
def test_a_panel_counts_only_with_samples(
    values: list[float], answered: bool, samples: int, dashboard: Dashboard
) -> None:
    (result,) = check_panels([dashboard], Answers(values))
    assert (result.answered, result.samples) == (answered, samples)


def test_a_refused_query_is_told_in_prometheus_words(dashboard: Dashboard) -> None:
    (result,) = check_panels([dashboard], Answers([], status=400))
    assert not result.answered
    assert "parse error" in str(result.problem)


@pytest.mark.parametrize("status", [None, 503], ids=["no answer", "overloaded"])
def test_a_server_that_is_down_is_no_result(status: int | None, dashboard: Dashboard) -> None:
    with pytest.raises(BackendError):
        check_panels([dashboard], Answers([], status=status))


class LateAnswers(Answers):
    """Metrics that have a sample only from the third question on, as recording rules do."""

    def __init__(self) -> None:
        super().__init__([1.0])
        self.asked = 0

    def instant(self, *_: object) -> list[Sample]:
        self.asked += 1
        return super().instant() if self.asked >= 3 else []


@pytest.mark.parametrize(("seconds", "answered"), [(0, False), (3, False), (6, True)])
def test_a_panel_over_a_recording_rule_is_asked_again_with_patience(
    seconds: int, answered: bool, dashboard: Dashboard
) -> None:
    pauses: list[float] = []
    (result,) = check_panels(
        [dashboard], LateAnswers(), patience=timedelta(seconds=seconds), pause=pauses.append
    )
    assert result.answered is answered
    assert len(pauses) == seconds // 3
