"""Asking one metrics server about the requests of many services at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from release_watch.catalog.selectors import joined
from release_watch.coverage.batches import Batch, batches, parsed
from release_watch.coverage.conventions import VERSION_LABELS, Convention
from release_watch.coverage.questions import Question
from release_watch.errors import BackendError
from release_watch.identifiers import promql_string
from release_watch.telemetry.metrics import Metrics, Sample

MARK = "release_watch_part"
"""The label that says which part of a query a series answers."""

_MOST_PARTS = 300
_MOST_CHARACTERS = 4_000_000
"""Of one query. Prometheus reads at most 10 MB of a form."""


@dataclass(frozen=True)
class Scope:
    """Which of a service's series count.

    With ``version`` those of that version only: by their own label ``label``, or where that is None by the
    ``target_info`` of their ``job`` and ``instance``. ``replaced`` means that pods were replaced which the
    telemetry cannot tell from the new ones.
    """

    version: str | None = None
    label: str | None = None
    replaced: bool = False

    @property
    def words(self) -> str:
        """Return `` of version 1.1.0``; empty for any version."""
        return f" of version {self.version}" if self.version else ""

    def counts(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series with these labels, perhaps without a version, counts."""
        named = {labels.get(name, "") for name in VERSION_LABELS} - {""}
        return self.label is None or not named or self.version in named


@dataclass(frozen=True)
class Watched:
    """The request series of one service that its checks are about."""

    service: str
    selector: str
    convention: Convention
    scope: Scope

    @property
    def source(self) -> Source:
        """The same as a source of its own, for the queries that are shown."""
        matchers = joined(parsed(self.selector))
        return Source(self.convention, self.scope, Batch(matchers, (), {(): (self.service,)}))


@dataclass(frozen=True)
class Source:
    """The request series of services that share a convention, a scope and the form of their selector."""

    convention: Convention
    scope: Scope
    batch: Batch

    def series(self, name: str | None = None, *more: str) -> str:
        """Return the selector of a metric, by default of the counter, with ``more`` matchers."""
        version = []
        if self.scope.label is not None and self.scope.version is not None:
            version = [f"{self.scope.label}={promql_string(self.scope.version)}"]
        name = self.convention.counter if name is None else name
        # A summary of the same name is no native histogram.
        native = ['quantile=""'] if self.convention.native and name == self.convention.counter else []
        return f"{name}{{{','.join([self.batch.matchers, *version, *native, *more])}}}"

    def kept(self, vector: str, over: str = "") -> str:
        """Return what of ``vector`` counts; ``over`` (``[120s]``) bridges holes in ``target_info``."""
        if self.scope.version is None or self.scope.label is not None:
            return vector
        return f"{vector} and on (job, instance) {ours(self.batch, self.scope.version, over)}"

    def by(self, *more: str) -> str:
        """Return the ``by`` clause of the services and ``more`` labels."""
        return self.batch.grouping(*more)

    def part(self, kind: str, expression: str) -> Part:
        """Return ``expression`` as a part of a query."""
        return Part(kind, self.batch, expression)


class Part(NamedTuple):
    """An expression that gives series grouped by the labels of a batch, and what it is asked for."""

    kind: str
    batch: Batch
    expression: str


class Answers:
    """What a query found, by kind of part and service."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Sample]] = defaultdict(list)

    def add(self, part: Part, sample: Sample) -> None:
        """Take in a sample that answers ``part``."""
        for service in part.batch.services_of(sample.labels):
            self._found[part.kind, service].append(sample)

    def of(self, kind: str, service: str) -> Sequence[Sample]:
        """Return the samples of one kind for one service."""
        return self._found.get((kind, service), ())

    def total(self, kind: str, service: str) -> float | None:
        """Return the sum of the samples; None without any."""
        found = self.of(kind, service)
        return sum(sample.value for sample in found) if found else None

    def most(self, kind: str, service: str) -> float | None:
        """Return the largest of the samples; None without any."""
        return max((sample.value for sample in self.of(kind, service)), default=None)


class Inquiry:
    """One audit's questions to one server. Once it did not answer at all, it is not asked again."""

    def __init__(self, metrics: Metrics, question: Question) -> None:
        self.metrics = metrics
        self.question = question
        self._lost: BackendError | None = None

    def ask(self, parts: Iterable[Part], at: datetime | None = None) -> Answers:
        """Return the answers to all parts, from as few requests as fit.

        Raises:
            BackendError: if the server does not answer, or refuses the query.
        """
        answers = Answers()
        for together in _together(parts):
            numbered = {str(number): part for number, part in enumerate(together)}
            for sample in self._instant(marked(numbered), at or self.question.at):
                if part := numbered.get(sample.labels.get(MARK, "")):
                    answers.add(part, sample)
        return answers

    def _instant(self, query: str, at: datetime) -> list[Sample]:
        if self._lost is not None:
            raise self._lost
        try:
            return self.metrics.instant(query, at)
        except BackendError as error:
            if error.status is None:
                self._lost = error
            raise


def sources(watched: Iterable[Watched]) -> Iterator[Source]:
    """Yield sources that cover all of ``watched``."""
    alike: dict[tuple[Convention, Scope], dict[str, str]] = defaultdict(dict)
    for one in watched:
        alike[one.convention, one.scope][one.service] = one.selector
    for (convention, scope), selectors in alike.items():
        for batch in batches(selectors):
            yield Source(convention, scope, batch)


def firsts(live: Mapping[str, Sequence[Watched]]) -> list[Watched]:
    """Return of each service the request series that count."""
    return [ones[0] for ones in live.values()]


def ours(batch: Batch, version: str, over: str = "") -> str:
    """Return the PromQL of the ``target_info`` of a version."""
    each = (f"target_info{{{batch.matchers},{label}={promql_string(version)}}}" for label in VERSION_LABELS)
    return "(" + " or ".join(f"present_over_time({one}{over})" if over else one for one in each) + ")"


def theirs(batch: Batch, version: str) -> str:
    """Return the PromQL of the ``target_info`` of other versions."""
    other = (
        f'target_info{{{batch.matchers},{label}!="",{label}!={promql_string(version)}}}'
        for label in VERSION_LABELS
    )
    return "(" + " or ".join(other) + ")"


def marked(parts: Mapping[str, Part]) -> str:
    """Return one query for all parts, each of its series marked with the number of its part."""
    return " or ".join(
        f'label_replace({part.expression}, "{MARK}", "{number}", "", "")' for number, part in parts.items()
    )


def _together(parts: Iterable[Part]) -> Iterator[list[Part]]:
    together: list[Part] = []
    length = 0
    for part in parts:
        if together and (len(together) == _MOST_PARTS or length + len(part.expression) > _MOST_CHARACTERS):
            yield together
            together, length = [], 0
        together.append(part)
        length += len(part.expression)
    if together:
        yield together
