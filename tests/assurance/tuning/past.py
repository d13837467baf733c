"""A past that answers queries of one form, ``name > number``, from values by minute, as Prometheus would."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pandas as pd

from release_watch.telemetry.metrics import Sample

START = datetime(2026, 11, 1, tzinfo=UTC)
STEP = timedelta(minutes=1)
_COMPARED = re.compile(r"\b([a-z_]+(?:\[\w+\])?\)?) ([<>]) ([\d.]+)")


def at(minute: float) -> datetime:
    return START + minute * STEP


class PastMetrics:
    """``values`` are those of each metric, a value a minute; ``labels`` those of what the rules give."""

    base_url = "http://prometheus"

    def __init__(self, values: Mapping[str, Sequence[float]], labels: str = "{}") -> None:
        self.values, self.labels = values, labels
        self.queries: list[str] = []

    def instant(self, query: str, moment: datetime | None = None) -> list[Sample]:
        self.queries.append(query)
        return [Sample({}, moment or START, 1.0)]

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> pd.DataFrame:
        self.queries.append(query)
        name = next((one for one in self.values if one in query), None)
        if name is None or "ALERTS" in query:
            return pd.DataFrame()
        first, last = (max(0, -(-(moment - START) // STEP)) for moment in (start, end))
        numbers = range(first, min(last + 1, len(self.values[name])), max(1, step // STEP))
        held = {number: self.values[name][number] for number in numbers}
        for _, operator, limit in _COMPARED.findall(query):
            above = operator == ">"
            held = {n: v for n, v in held.items() if (v > float(limit) if above else v < float(limit))}
        index = pd.DatetimeIndex([at(number) for number in held])
        return pd.DataFrame({f"x{self.labels}": list(held.values())}, index=index, dtype=float)
