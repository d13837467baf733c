"""The lines of panels over a window: the same queries as in Grafana, many in one call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from release_watch.artifacts.models import Window
from release_watch.dashboards.models import Panel, Query
from release_watch.errors import BackendError
from release_watch.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import pandas as pd

POINTS = 300
"""Points per line: more than a chart of a picture can show."""
TOGETHER = 20
"""Queries in one call: each costs as much as alone, and they share the time of one."""
FINEST = timedelta(seconds=15)

_MARK = "release_watch_line"
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_TEMPLATE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ESCAPED = re.compile(r"\\(.)")
_REFUSED = (400, 413, 422)


class Line(NamedTuple):
    """One series of a query: its name, and its values by time, without those that are no number."""

    legend: str
    values: pd.Series


class Lines:
    """Asks what panels show within a window, each distinct query once."""

    def __init__(
        self, window: Window, metrics: Metrics, servers: Mapping[str, Metrics] | None = None
    ) -> None:
        self._start = window.start.replace(microsecond=0)
        self._end = window.end.replace(microsecond=0)
        self._step = _step(self._end - self._start)
        self._metrics = metrics
        self._servers = servers or {}
        self._found: dict[tuple[str, str], list[tuple[dict[str, str], pd.Series]]] = {}

    def ask(self, panels: Sequence[Panel]) -> None:
        """Ask the queries of ``panels``; one that is refused has no lines.

        Raises:
            BackendError: if a server does not answer.
        """
        by_server: dict[str, dict[str, None]] = {}
        for panel in panels:
            wanted = by_server.setdefault(panel.connection, {})
            wanted.update(dict.fromkeys(query.expr for query in panel.queries))
        for connection, expressions in by_server.items():
            new = [one for one in expressions if (connection, one) not in self._found]
            for start in range(0, len(new), TOGETHER):
                self._ask(connection, new[start : start + TOGETHER])

    def of(self, panel: Panel, query: Query) -> list[Line]:
        """Return the lines of one query of a panel, in the order of their names."""
        found = self._found[panel.connection, query.expr]
        lines = [Line(_legend(query.legend, labels), values) for labels, values in found]
        return sorted((line for line in lines if len(line.values)), key=lambda line: line.legend)

    def _ask(self, connection: str, expressions: Sequence[str]) -> None:
        marked = [
            f'label_replace({one}, "{_MARK}", "{number}", "", "")' for number, one in enumerate(expressions)
        ]
        try:
            frame = self._range(connection, " or ".join(marked))
        except BackendError as error:
            if error.status not in _REFUSED:
                raise
            self._divide(connection, expressions)
            return
        for one in expressions:
            self._found[connection, one] = []
        for column in frame.columns:
            labels = _labels(str(column))
            number = int(labels.pop(_MARK))
            self._found[connection, expressions[number]].append((labels, frame[column].dropna()))

    def _divide(self, connection: str, expressions: Sequence[str]) -> None:
        if len(expressions) > 1:
            middle = len(expressions) // 2
            self._ask(connection, expressions[:middle])
            self._ask(connection, expressions[middle:])
            return
        try:
            frame = self._range(connection, expressions[0])  # a scalar stands only by itself
        except BackendError as error:
            if error.status not in _REFUSED:
                raise
            self._found[connection, expressions[0]] = []
            return
        self._found[connection, expressions[0]] = [
            (_labels(str(column)), frame[column].dropna()) for column in frame.columns
        ]

    def _range(self, connection: str, query: str) -> pd.DataFrame:
        metrics = self._servers.get(connection, self._metrics)
        return metrics.range(query, self._start, self._end, self._step)


def _step(length: timedelta) -> timedelta:
    seconds = FINEST.total_seconds()
    return timedelta(seconds=max(1, ceil(length.total_seconds() / POINTS / seconds)) * seconds)


def _labels(series: str) -> dict[str, str]:
    return {name: _ESCAPED.sub(_unescaped, value) for name, value in _LABEL.findall(series)}


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _legend(template: str, labels: Mapping[str, str]) -> str:
    words = _TEMPLATE.sub(lambda match: labels.get(match[1], ""), template)
    return " ".join(words.split())
