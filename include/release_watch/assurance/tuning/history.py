"""The past that a rule is replayed over, and expressions put so that it can answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from release_watch.assurance.quality.matching import MatchRules
from release_watch.assurance.quality.review import Reviewing
from release_watch.assurance.tuning.inlining import HistoryTooShortError, Inlined, inlined
from release_watch.response.incidents import Incident
from release_watch.slo.rulefile import Rule, duration
from release_watch.telemetry.metrics import Metrics
from release_watch.telemetry.promql import SeriesSelector


class History(NamedTuple):
    """What a rule is replayed over: telemetry, a window (start, end) of it, and known incidents.

    ``recorded`` are recording rules by name; ``missed`` the ids of incidents that no alert at all saw.
    """

    metrics: Metrics
    window: tuple[datetime, datetime]
    incidents: Sequence[Incident]
    recorded: Mapping[str, Sequence[Rule]] = {}
    missed: frozenset[str] = frozenset()
    matching: MatchRules | None = None
    review: Reviewing = "tracker"

    def since(self, start: datetime) -> History:
        """Return the part of it from ``start`` on, with the incidents that lasted into it."""
        window = start, self.window[1]
        return self._replace(
            window=window, incidents=[one for one in self.incidents if one.lasts_into(window)]
        )

    def of(self, service: str) -> list[Incident]:
        """Return the incidents of a service, and those of all services."""
        return [one for one in self.incidents if one.service in (service, None)]


class RecordedHistory:
    """What recording rules left in a history; ``step`` is how far evaluations of the alert are apart."""

    def __init__(self, history: History, step: timedelta) -> None:
        self._history, self._step = history, step
        self._missing: dict[SeriesSelector, bool] = {}

    def readable(self, expr: str) -> Inlined:
        """Return an expression as this history can answer it.

        Raises:
            HistoryTooShortError: if it cannot, with how far back it could.
            InvalidInputError: if nothing can answer it.
        """
        try:
            return inlined(expr, self._history.recorded, self._is_missing, self._step)
        except HistoryTooShortError as error:
            raise HistoryTooShortError(error.lacking, self._held(error.lacking)) from error

    def _held(self, recordings: Sequence[SeriesSelector]) -> timedelta | None:
        """Return for how long all of these were recorded until now; None if one is not recorded."""
        start, end = self._history.window
        seconds = int((end - start).total_seconds())
        # At the interval of the alert: recordings may be evaluated at another.
        span = f"{seconds}s:{duration(self._step)}"
        queries = [f"max(count_over_time({one}[{span}]))" for one in recordings]
        counts = [self._history.metrics.instant(query, end) for query in queries]
        if not all(counts):
            return None
        return timedelta(seconds=round(min(found[0].value for found in counts) * self._step.total_seconds()))

    def _is_missing(self, selector: SeriesSelector) -> bool:
        """Return whether history has no sample of a recording near the beginning of its window."""
        if selector not in self._missing:
            start, end = self._history.window
            seconds = int((end - start).total_seconds())
            early = start + (end - start) / 10
            query = f"count(count_over_time({selector}[{max(1, seconds // 10)}s]))"
            self._missing[selector] = not self._history.metrics.instant(query, early)
        return self._missing[selector]
