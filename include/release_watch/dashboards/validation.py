"""Every panel's query, run against the live Prometheus before anyone has to rely on the panel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from math import isfinite

from release_watch.clock import now
from release_watch.coverage.bulk import Bulk
from release_watch.dashboards.models import Dashboard, PanelQuery, PanelResult
from release_watch.dashboards.silence import Silence, why_silent
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics, Sample

ASK_AGAIN_AFTER = timedelta(seconds=3)
TOGETHER = 40
"""Panels in one query: it has to be answered in the time of one, and costs what they all do."""

_Asked = tuple[str, PanelQuery]
_OVERLOADED = (None, 503, 504)
"""No answer in time, or the server says that it took too long: less may be answered."""


def check_panels(
    dashboards: Sequence[Dashboard],
    metrics: Metrics,
    *,
    patience: timedelta = timedelta(0),
    pause: Callable[[float], None] = time.sleep,
    servers: Mapping[str, Metrics] | None = None,
) -> list[PanelResult]:
    """Return what each panel's query gives; a refused query is a result, not an error.

    Many are asked in one query, each distinct one once. Panels over recording rules are empty until the rules
    have been evaluated: those without an answer are asked again until ``patience`` is over, and then looked
    into: whether series are missing, or nothing has happened that they could show. Marks are checked too.

    Args:
        dashboards: the dashboards.
        metrics: the environment's metrics server.
        patience: how long an answer may take to come.
        pause: waits for so many seconds.
        servers: those that services name for themselves
            (:func:`release_watch.dashboards.connections.servers`).

    Raises:
        BackendError: if a metrics server does not answer at all.
    """
    asked = [(board.uid, query) for board in dashboards for query in (*board.queries, *_proofs(board))]
    by_server: dict[str, list[str]] = {}
    for _, query in asked:
        by_server.setdefault(query.connection, []).append(query.query)
    found = {
        connection: _Answers((servers or {}).get(connection, metrics), queries)
        for connection, queries in by_server.items()
    }
    _ask_all(found.values())
    while patience >= ASK_AGAIN_AFTER and any(answers.silent for answers in found.values()):
        pause(ASK_AGAIN_AFTER.total_seconds())
        patience -= ASK_AGAIN_AFTER + _ask_all(found.values())
    for answers in found.values():
        answers.explain()
    return [found[query.connection].result(uid, query) for uid, query in asked]


class _Answers:
    """What one server answers to the queries of panels."""

    def __init__(self, metrics: Metrics, queries: Sequence[str]) -> None:
        self._metrics = metrics
        self._queries = list(dict.fromkeys(queries))
        self._finite: dict[str, int] = {}
        self._found: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._silence: dict[str, Silence] = {}

    @property
    def silent(self) -> list[str]:
        """The queries that the server takes and that gave no sample with a number so far."""
        return [q for q in self._queries if not self._finite.get(q) and q not in self._refused]

    def ask(self) -> None:
        """Ask the queries that have no answer yet."""
        bulk = Bulk(self._metrics, now())
        open_ones = self.silent
        for start in range(0, len(open_ones), TOGETHER):
            _ask_patiently(bulk, open_ones[start : start + TOGETHER])
        for query in open_ones:
            # What is refused among others may stand by itself: a scalar, or a query with a comment.
            self._take(query, self._alone(query) if query in bulk.refused else bulk.answer(query))

    def explain(self) -> None:
        """Look into what is silent."""
        self._silence = why_silent(self.silent, self._found, self._metrics)

    def result(self, dashboard: str, asked: PanelQuery) -> PanelResult:
        """Return the result of one panel's query."""
        query, samples = asked.query, self._finite.get(asked.query, 0)
        if query in self._refused:
            silence = Silence(
                "refused", self._refused[query], "correct the query; the server's words name why"
            )
        else:
            silence = self._silence.get(query, Silence("answered"))
        return PanelResult(
            dashboard=dashboard,
            panel=asked.panel,
            query=query,
            legend=asked.legend,
            answered=silence.state == "answered",
            samples=samples,
            problem=silence.words or None,
            state=silence.state,
            remedy=silence.remedy or None,
            checked_at=now(),
        )

    def _take(self, query: str, samples: Sequence[Sample]) -> None:
        self._found[query] = len(samples)
        self._finite[query] = sum(isfinite(sample.value) for sample in samples)

    def _alone(self, query: str) -> Sequence[Sample]:
        try:
            return self._metrics.instant(query)
        except BackendError as error:
            if error.status is None or error.status >= 500:
                raise
            self._refused[query] = str(error)
            return ()


def _ask_all(servers: Iterable[_Answers]) -> timedelta:
    """Ask what has no answer yet, and return how many whole seconds it took."""
    began = time.monotonic()
    for answers in servers:
        answers.ask()
    return timedelta(seconds=int(time.monotonic() - began))


def _ask_patiently(bulk: Bulk, queries: Sequence[str]) -> None:
    """Ask queries together; those that take too long together, in halves."""
    try:
        bulk.ask(queries)
    except BackendError as error:
        if error.status not in _OVERLOADED or len(queries) == 1:
            raise
        middle = len(queries) // 2
        _ask_patiently(bulk, queries[:middle])
        _ask_patiently(bulk, queries[middle:])


def _proofs(board: Dashboard) -> list[PanelQuery]:
    return [PanelQuery(f"mark: {mark.name}", mark.proof, mark.title) for mark in board.marks]
