"""Service level objectives from OpenSLO v1 documents: what counts as good, of how much, how often."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from release_watch.catalog.documents import Document, read_documents
from release_watch.catalog.selectors import Matcher, joined, parse_counter

API_VERSION = "openslo/v1"
KINDS = ("DataSource", "SLO", "SLI", "AlertPolicy", "AlertCondition", "AlertNotificationTarget", "Service")
WINDOW_DAYS = (7, 28, 30, 90)
WINDOW = "{{.window}}"
"""Stands for the range in an expression, as in Sloth's specifications."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DURATION = re.compile(r"(\d{1,4})([dw])")
_QUERY = ("metricSource", "spec", "query")


class Slo(BaseModel):
    """One objective over a rolling window.

    ``good``, ``bad`` and ``total`` are all of one form: bare counter selectors, or expressions with
    ``{{.window}}`` where the range goes (:attr:`templated`); one of ``good`` and ``bad`` is given. For
    ``kind`` latency, ``good`` is the histogram bucket with the ``le`` that ``threshold_seconds`` names.
    Gauges (``kind`` threshold) and ready-made ratios are expressions that count samples.

    ``per_second``: an expression gives events per second, not events in the window; counters always do.
    ``slice`` and ``slice_target``: with Timeslices, a slice of that length is good if at least that share of
    its events is. ``group_by``: labels that have an error budget of their own for each of their values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    service: str
    description: str
    objective: Decimal
    window_days: int
    kind: Literal["ratio", "latency", "threshold"]
    good: str | None
    total: str
    bad: str | None
    threshold_seconds: Decimal | None = None
    per_second: bool = True
    budgeting: Literal["Occurrences", "Timeslices", "RatioTimeslices"] = "Occurrences"
    slice: timedelta | None = None
    slice_target: Decimal | None = None
    group_by: tuple[str, ...] = ()
    page: bool = True
    ticket: bool = True
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    source: str = ""

    @property
    def templated(self) -> bool:
        """Whether the events are counted by expressions with ``{{.window}}`` instead of bare counters."""
        return WINDOW in self.total

    @property
    def error_budget(self) -> Decimal:
        """The share of events that may be bad, for example 0.001."""
        return 1 - self.objective


class _RefusedError(Exception):
    """A field that cannot stand, where it is, and what to do."""

    def __init__(self, location: Sequence[Hashable], value: object, remedy: str) -> None:
        super().__init__(remedy)
        self.location, self.value, self.remedy = tuple(location), value, remedy


class _Counter(NamedTuple):
    name: str
    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        return f"{self.name}{{{joined(self.matchers)}}}" if self.matchers else self.name

    @property
    def bucket(self) -> str | None:
        """The ``le`` of a histogram bucket."""
        exact = [m.value for m in self.matchers if m.label == "le" and m.operator == "="]
        return exact[0] if exact and self.name.endswith("_bucket") else None


def load_slos(folder: Path, shown_as: str) -> tuple[list[tuple[Slo, Document]], list[str]]:
    """Return the SLOs of all YAML files in ``folder`` with their documents, and every problem found."""
    documents: list[Document] = []
    problems: list[str] = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        found, wrong = read_documents(path, f"{shown_as}/{path.name}")
        documents += found
        problems += wrong
    indicators: dict[str, tuple[Document, Any]] = {}
    objectives: list[Document] = []
    for document in documents:
        if problem := _envelope_problem(document):
            problems.append(problem)
        elif document.data["kind"] == "SLI":
            indicators[document.data["metadata"]["name"]] = (document, document.data)
        elif document.data["kind"] == "SLO":
            objectives.append(document)
    slos: list[tuple[Slo, Document]] = []
    for document in objectives:
        try:
            slos.append((_slo(document, indicators), document))
        except _RefusedError as refused:
            problems.append(document.problem(refused.location, refused.value, refused.remedy))
    return slos, problems


def _envelope_problem(document: Document) -> str | None:
    data = document.data
    if not isinstance(data, dict):
        return document.problem((), data, f"is no OpenSLO document; begin with apiVersion: {API_VERSION}")
    if data.get("apiVersion") != API_VERSION:
        return document.problem(("apiVersion",), data.get("apiVersion"), f"must be {API_VERSION}")
    if data.get("kind") not in KINDS:
        return document.problem(("kind",), data.get("kind"), f"must be one of {', '.join(KINDS)}")
    name = _at(data, ("metadata", "name"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        remedy = "must be lower-case letters, digits and '-', at most 63 (RFC 1123)"
        return document.problem(("metadata", "name"), name, remedy)
    return None


def _slo(document: Document, indicators: dict[str, tuple[Document, Any]]) -> Slo:
    data = document.data
    spec = _mapping(data, ("spec",))
    service = _at(data, ("spec", "service"))
    if not isinstance(service, str):
        raise _RefusedError(("spec", "service"), service, "name the service of the catalogue")
    if spec.get("budgetingMethod") != "Occurrences":
        value = spec.get("budgetingMethod")
        raise _RefusedError(
            ("spec", "budgetingMethod"), value, "must be Occurrences: count events, not slices"
        )
    good, bad, total = _counters(data, spec, indicators)
    return Slo(
        name=data["metadata"]["name"],
        service=service,
        description=str(spec.get("description", "")).strip(),
        objective=_objective(spec),
        window_days=_window(spec),
        kind="latency" if good and good.bucket else "ratio",
        good=str(good) if good else None,
        bad=str(bad) if bad else None,
        total=str(total),
        threshold_seconds=_threshold(good) if good and good.bucket else None,
    )


def _objective(spec: dict[str, Any]) -> Decimal:
    where = ("spec", "objectives")
    objectives = spec.get("objectives")
    if not isinstance(objectives, list) or len(objectives) != 1 or not isinstance(objectives[0], dict):
        raise _RefusedError(where, objectives, "give exactly one objective")
    given = {key: objectives[0][key] for key in ("target", "targetPercent") if key in objectives[0]}
    if len(given) != 1:
        raise _RefusedError((*where, 0), objectives[0], "give either target (0.999) or targetPercent (99.9)")
    key, value = next(iter(given.items()))
    try:
        target = Decimal(str(value)) / (100 if key == "targetPercent" else 1)
    except InvalidOperation:
        raise _RefusedError((*where, 0, key), value, "is no number") from None
    if not 0 < target < 1:
        remedy = "must lie between 0 and 100 %, both excluded: 100 % leaves no error budget"
        raise _RefusedError((*where, 0, key), value, remedy)
    return target


def _window(spec: dict[str, Any]) -> int:
    where = ("spec", "timeWindow")
    windows = spec.get("timeWindow")
    if not isinstance(windows, list) or len(windows) != 1 or not isinstance(windows[0], dict):
        raise _RefusedError(where, windows, "give exactly one window: [{duration: 30d, isRolling: true}]")
    if windows[0].get("isRolling") is not True:
        raise _RefusedError((*where, 0, "isRolling"), windows[0].get("isRolling"), "must be true")
    found = _DURATION.fullmatch(str(windows[0].get("duration")))
    days = int(found[1]) * (7 if found[2] == "w" else 1) if found else 0
    if days not in WINDOW_DAYS:
        remedy = f"must be one of {', '.join(f'{d}d' for d in WINDOW_DAYS)}"
        raise _RefusedError((*where, 0, "duration"), windows[0].get("duration"), remedy)
    return days


def _counters(
    data: Any, spec: dict[str, Any], indicators: dict[str, tuple[Document, Any]]
) -> tuple[_Counter | None, _Counter | None, _Counter]:
    if ("indicator" in spec) == ("indicatorRef" in spec):
        raise _RefusedError(("spec",), None, "give either indicator or indicatorRef")
    where: tuple[Hashable, ...] = ("spec", "indicator", "spec", "ratioMetric")
    source = data
    if "indicatorRef" in spec:
        name = spec["indicatorRef"]
        if name not in indicators:
            raise _RefusedError(("spec", "indicatorRef"), name, "there is no SLI of that name in this folder")
        source, where = indicators[name][1], ("spec", "ratioMetric")
    ratio = _mapping(source, where)
    if ratio.get("counter") is not True:
        raise _RefusedError((*where, "counter"), ratio.get("counter"), "must be true: counters, not gauges")
    if ("good" in ratio) == ("bad" in ratio):
        raise _RefusedError(where, None, "give total, and either good or bad")
    good = _counter(ratio, "good", where) if "good" in ratio else None
    bad = _counter(ratio, "bad", where) if "bad" in ratio else None
    return good, bad, _counter(ratio, "total", where)


def _counter(ratio: dict[str, Any], part: str, where: tuple[Hashable, ...]) -> _Counter:
    query = _at(ratio, (part, *_QUERY))
    location = (*where, part, *_QUERY)
    if not isinstance(query, str):
        raise _RefusedError(location, query, "give a bare counter selector as query")
    try:
        return _Counter(*parse_counter(query))
    except ValueError as error:
        raise _RefusedError(
            location, query, f"{error}; rate, sum and window are added by Release Watch"
        ) from None


def _threshold(good: _Counter) -> Decimal:
    try:
        threshold = Decimal(good.bucket or "")
    except InvalidOperation:
        raise _RefusedError(("spec", "indicator"), good.bucket, "le must be a number of seconds") from None
    return threshold / 1000 if "milliseconds" in good.name else threshold


def _mapping(data: Any, location: tuple[Hashable, ...]) -> dict[str, Any]:
    found = _at(data, location)
    if not isinstance(found, dict):
        raise _RefusedError(location, found, "must be a mapping, as OpenSLO v1 has it")
    return found


def _at(data: Any, location: Sequence[Hashable]) -> Any:
    for part in location:
        data = data.get(part) if isinstance(data, dict) else None
    return data
