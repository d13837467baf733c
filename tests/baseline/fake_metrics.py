"""A metrics backend that answers each query with series given beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pandas as pd

from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Sample


class FakeMetrics:
    """Implements ``release_watch.telemetry.metrics.Metrics``; a query that is not known has no data."""

    base_url = "http://prometheus.test"

    def __init__(self, answers: Mapping[str, pd.Series], *, down: bool = False) -> None:
        self.answers = answers
        self.down = down
        self.asked: list[tuple[str, datetime, datetime]] = []

    def instant(self, query: str, at: datetime | None = None) -> list[Sample]:
        raise NotImplementedError

    def range(
        self,
        query: str,
        start: datetime,
        end: datetime,
        step: timedelta,  # noqa: ARG002 - as the protocol has it
    ) -> pd.DataFrame:
        if self.down:
            raise BackendError("Prometheus", f"{self.base_url} did not answer")
        self.asked.append((query, start, end))
        series = self.answers.get(query)
        if series is None:
            return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))
        return series[(series.index >= start) & (series.index <= end)].to_frame("{}")


class FakeBackends:
    """The one backend that a review asks for."""

    def __init__(self, metrics: FakeMetrics) -> None:
        self._metrics = metrics

    def metrics(self, service: object = None) -> FakeMetrics:  # noqa: ARG002 - as the protocol has it
        return self._metrics
