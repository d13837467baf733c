"""Synthetic checks of services: probes that run, that succeed, and that ask the release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from release_watch.artifacts.models import CoverageCheck
from release_watch.clock import in_words
from release_watch.coverage.attempts import Found, attempt
from release_watch.coverage.batches import Batch, batches
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.coverage.patience import patient
from release_watch.coverage.questions import Question, failed, live_check, passed, release_check
from release_watch.coverage.silences import Grid, grid, silence_check
from release_watch.telemetry.metrics import Metrics, series_name

_LIVE_REMEDY = (
    "add the service to the targets of the blackbox exporter, and check the selector in services.yaml"
)
_SUCCESS_REMEDY = (
    "open the probe's target by hand: either the service does not answer or the probe asks wrongly"
)
_VERSION_REMEDY = "a label version of the probe's target"
_SILENCE_REMEDY = "see /targets of Prometheus for the scrapes of the blackbox exporter"
_CERTIFICATE_REMEDY = "renew the certificate that the probe's target serves"
_URGENT = timedelta(hours=48)
_ENOUGH_PROBES = 4.0
"""Probes to be expected in a silence: they come regularly, so that a few missing ones are no chance."""


@dataclass
class _Seen:
    """What the probes of one service showed."""

    newest: datetime | None = None
    probes: int = 0
    versions: set[str] = field(default_factory=set)
    best: dict[str, float] = field(default_factory=dict)


def check_synthetics(
    selectors: Mapping[str, str], metrics: Metrics, question: Question
) -> dict[str, list[CoverageCheck]]:
    """Return the checks of each service, from a fixed number of queries for all of them.

    Raises:
        BackendError: if the server does not answer, or refuses to tell the last results.
    """
    checks: dict[str, list[CoverageCheck]] = {}
    for batch in batches(selectors):
        mine = {name: selectors[name] for names in batch.services.values() for name in names}
        alone = {name: next(iter(batches({name: selector}))) for name, selector in mine.items()}
        for service, seen in _look(batch, metrics, question).items():
            found = _judge(service, seen, alone[service], question)
            checks[service] = [patient(check, question) for check in found]
        for more in (
            _gaps(batch, alone, metrics, question),
            _certificates(batch, alone, metrics, question),
        ):
            for service, check in more.items():
                checks[service].append(check)
    return checks


def _look(batch: Batch, metrics: Metrics, question: Question) -> dict[str, _Seen]:
    seen = {name: _Seen() for names in batch.services.values() for name in names}
    for sample in metrics.instant(_live_query(batch, question), question.at):
        for service in batch.services_of(sample.labels):
            if sample.labels.get("of") == "probes":
                seen[service].probes += round(sample.value)
                continue
            at = datetime.fromtimestamp(sample.value, UTC)
            seen[service].newest = max(at, seen[service].newest or at)
            if at > question.since:
                seen[service].versions.add(_version(sample.labels))
    for sample in metrics.instant(_success_query(batch, question), question.at):
        for service in batch.services_of(sample.labels):
            best = seen[service].best
            version = _version(sample.labels)
            best[version] = max(sample.value, best.get(version, 0.0))
    return seen


def _judge(service: str, seen: _Seen, alone: Batch, question: Question) -> Iterator[CoverageCheck]:
    query = _live_query(alone, question)
    live = live_check(seen.newest, query, question, _LIVE_REMEDY)
    if seen.probes:
        live = live.model_copy(update={"observed": f"{live.observed}, {seen.probes} probes"})
    yield live
    # Probes need not name a version; where they do, those of another release prove nothing.
    mine = seen.best
    if service in question.release.services and any(seen.versions):
        yield release_check(live, seen.versions, query, question, _VERSION_REMEDY)
        mine = {v: best for v, best in seen.best.items() if v == question.release.version} or mine
    yield _success_check(max(mine.values(), default=None), _success_query(alone, question))


def _success_check(best: float | None, query: str) -> CoverageCheck:
    expected = "a probe that succeeds"
    if best == 1:
        return passed("succeeds", query, "probe succeeds", expected)
    observed = "no probe result" if best is None else "every probe fails"
    return failed("succeeds", query, observed, expected, _SUCCESS_REMEDY)


def _gaps(batch: Batch, alone: Mapping[str, Batch], metrics: Metrics, question: Question) -> Found:
    over = grid(question)
    if over is None:
        return {}
    queries = {service: _count_query(one, over) for service, one in alone.items()}

    def ask() -> Found:
        frame = metrics.range(_count_query(batch, over), over.start + over.step, over.end, over.step)
        counts: dict[str, list[float]] = {}
        for values, services in batch.services.items():
            labels = zip(batch.labels, values, strict=True)
            name = series_name({label: value for label, value in labels if value})
            if name in frame.columns:
                column = frame[name].dropna()
                times: Any = column.index
                pairs = list(zip(times.to_pydatetime(), column, strict=True))
                for service in services:
                    counts[service] = over.counts(pairs, counts.get(service))
        found = {
            service: silence_check(
                mine, over, queries[service], question, enough=_ENOUGH_PROBES, remedy=_SILENCE_REMEDY
            )
            for service, mine in counts.items()
        }
        return {service: check for service, check in found.items() if check}

    return attempt("gaps", alone, queries, "no long silence", ask)


def _certificates(batch: Batch, alone: Mapping[str, Batch], metrics: Metrics, question: Question) -> Found:
    expected = f"a certificate that is valid for {in_words(_URGENT)} or more"
    queries = {service: _certificate_query(one) for service, one in alone.items()}

    def ask() -> Found:
        left: dict[str, timedelta] = {}
        for sample in metrics.instant(_certificate_query(batch), question.at):
            mine = datetime.fromtimestamp(sample.value, UTC) - question.at
            for service in batch.services_of(sample.labels):
                left[service] = min(mine, left.get(service, mine))
        return {s: _certificate_check(mine, queries[s], expected) for s, mine in left.items()}

    return attempt("certificate", alone, queries, expected, ask)


def _certificate_check(left: timedelta, query: str, expected: str) -> CoverageCheck:
    if left >= _URGENT:
        return passed("certificate", query, f"valid for {left.days} d", expected)
    observed = f"expires in {in_words(left)}" if left > timedelta(0) else f"expired {in_words(-left)} ago"
    return failed("certificate", query, observed, expected, _CERTIFICATE_REMEDY)


def _live_query(batch: Batch, question: Question) -> str:
    by = batch.grouping(*VERSION_LABELS)
    at = f"timestamp(probe_success{{{batch.matchers}}})"
    fresh = f"count{by} ({at} > {question.since.timestamp():.3f})"
    return f'max{by} ({at}) or label_replace({fresh}, "of", "probes", "", "")'


def _success_query(batch: Batch, question: Question) -> str:
    seconds = max(1, int((question.at - question.since).total_seconds()))
    by = batch.grouping(*VERSION_LABELS)
    return f"max{by} (max_over_time(probe_success{{{batch.matchers}}}[{seconds}s]))"


def _count_query(batch: Batch, over: Grid) -> str:
    seconds = int(over.step.total_seconds())
    return f"sum{batch.grouping()} (count_over_time(probe_success{{{batch.matchers}}}[{seconds}s]))"


def _certificate_query(batch: Batch) -> str:
    return f"min{batch.grouping()} (probe_ssl_earliest_cert_expiry{{{batch.matchers}}})"


def _version(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in VERSION_LABELS if labels.get(name)), "")
