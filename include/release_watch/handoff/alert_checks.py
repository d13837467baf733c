"""The first looks at each alert, with queries to paste: the service's own metrics, logs and traces."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.slos import WINDOW, Slo
from release_watch.coverage.conventions import VERSION_LABELS
from release_watch.handoff.alert_seen import Seen, series_read
from release_watch.slo.red import ASSUMED
from release_watch.slo.symptom_business import HIGH, LOW, VALUE
from release_watch.slo.symptom_requests import EXPECTED
from release_watch.slo.windows import plain

_WORST = 5
"""How many lines a look shows: the worst are enough to begin with."""

_FULLEST = re.compile(r"max\((?P<share>.+)\) > [0-9.]+", re.DOTALL)
_FILLING = re.compile(r"max\(\(.+\) > 1 and \((?P<share>.+)\) > [0-9.]+\)", re.DOTALL)
_VERSIONS = ", ".join(VERSION_LABELS)


class Check(NamedTuple):
    """One look, with the query to paste; ``language`` is promql, logql or traceql."""

    question: str
    language: str
    query: str


def checks_of(alert: str, seen: Seen) -> tuple[Check, ...]:
    """Return the looks at an alert, the most telling first; no query twice."""
    found: dict[str, Check] = {}
    for check in (*_CHECKS.get(alert, _unknown)(alert, seen), *_general(seen)):
        found.setdefault(check.query, check)
    return tuple(found.values())


def _promql(question: str, query: str) -> Check:
    return Check(question, "promql", query)


def _unknown(alert: str, seen: Seen) -> Iterator[Check]:
    yield from (_promql("What does the alert see?", expr) for expr in seen.exprs(alert))


def _general(seen: Seen) -> Iterator[Check]:
    yield from _logs(seen)
    yield from _traces(seen)
    yield from _instances(seen)
    yield from _probe(seen)
    yield _promql("What else fires for it?", f'ALERTS{{alertstate="firing",{seen.identity}}}')
    if seen.red:
        yield _promql("How many requests come?", seen.red.per_second())


def _burn(window: str, recent: str) -> Callable[[str, Seen], Iterator[Check]]:
    """Return the looks at what failed in ``window``, and where it failed in ``recent``."""

    def checks(alert: str, seen: Seen) -> Iterator[Check]:
        ratio = f"slo:error_ratio:rate{window}{{{seen.identity}}}"
        yield _promql(f"Which objective fails, and how much in {window}?", ratio)
        slos = seen.slos_of(alert)
        yield from _of_slos(slos, seen)
        if not slos or any(slo.kind == "ratio" for slo in slos):
            yield from _failing(seen, recent)
        if any(slo.kind == "latency" for slo in slos):
            yield from _slow(seen, "Which endpoint is slow?", seen.endpoints, recent)
        yield _promql("How much of the budget is gone?", f"slo:budget_burned:ratio{{{seen.identity}}}")

    return checks


def _trickle(_: str, seen: Seen) -> Iterator[Check]:
    yield _promql("Which objective fails, and how much in 3d?", f"slo:error_ratio:rate3d{{{seen.identity}}}")
    if seen.red:  # a rate would not see the failure with which a series begins, often the only one
        failed = f"topk({_WORST}, sum by ({seen.endpoints}) ({seen.red.errors}) > 0)"
        yield _promql("Which endpoint failed, and how often since its instances started?", failed)
    yield from _logs(seen)


def _of_slos(slos: list[Slo], seen: Seen) -> Iterator[Check]:
    """Yield what fails of the SLOs that count other events than the service's requests."""
    requests = {one.metric for one in series_read(seen.red.total)} if seen.red else set()
    for slo in slos:
        total, bad, good = (_over_5m(events, slo) for events in (slo.total, slo.bad, slo.good))
        if requests & {one.metric for one in series_read(total)}:
            continue
        unit = "events/s" if slo.per_second else "events in 5 minutes"
        failing = f"{bad} > 0" if bad else f"({total}) - ({good}) > 0"
        yield _promql(f"What does {slo.name} count as bad ({unit})?", f"topk({_WORST}, {failing})")


def _over_5m(events: str | None, slo: Slo) -> str:
    if not events or slo.templated:
        return (events or "").replace(WINDOW, "5m")
    return f"rate({events}[5m])" if slo.bad else f"sum(rate({events}[5m]))"


def _errors(_: str, seen: Seen) -> Iterator[Check]:
    yield from _failing(seen)
    if seen.red:
        failed, total = (
            f"sum by ({_VERSIONS}) (rate({one}[5m]))" for one in (seen.red.errors, seen.red.total)
        )
        yield _promql("Is it the new version (share that fails, by version)?", f"{failed} / ({total} > 0)")


def _failing(seen: Seen, window: str = "5m") -> Iterator[Check]:
    if seen.red:
        failing = f"topk({_WORST}, sum by ({seen.endpoints}) (rate({seen.red.errors}[{window}])) > 0)"
        yield _promql("Which endpoint fails?", failing)


def _latency(_: str, seen: Seen) -> Iterator[Check]:
    yield from _slow(seen, "Which endpoint is slow?", seen.endpoints)
    yield from _slow(seen, "Is it the new version?", _VERSIONS)
    if traces := seen.service.signals.traces:
        slow = f"{plain(seen.slow * 1000)}ms"
        query = f'{{ resource.service.name = "{traces.service_name}" && duration > {slow} }}'
        yield Check("Where does the time go?", "traceql", query)


def _slow(seen: Seen, question: str, labels: str, window: str = "5m") -> Iterator[Check]:
    if seen.red and seen.red.bucket:
        rates = f"sum by (le, {labels}) (rate({seen.red.bucket}[{window}]))"
        yield _promql(question, f"topk({_WORST}, histogram_quantile(0.95, {rates}) >= 0)")


def _traffic(_: str, seen: Seen) -> Iterator[Check]:
    if seen.red is None:
        return
    yield _promql(
        "How many requests come, by endpoint?", f"sum by ({seen.endpoints}) (rate({seen.red.total}[5m]))"
    )
    yield _promql("How many are expected at this time?", f"{EXPECTED}{{{seen.identity}}}")
    yield from _probe(seen)


def _up(_: str, seen: Seen) -> Iterator[Check]:
    yield from _instances(seen)
    yield from _probe(seen)
    yield from _logs(seen)


def _probed(_: str, seen: Seen) -> Iterator[Check]:
    yield from _probe(seen)
    yield from _instances(seen)
    if seen.red:
        yield _promql("Do requests come and succeed (share that fails)?", seen.red.error_ratio())


def _telemetry(_: str, seen: Seen) -> Iterator[Check]:
    yield from _instances(seen)
    if seen.red:
        yield _promql("Which requests does it count?", f"count by ({seen.endpoints}) ({seen.red.total})")
    yield from _logs(seen)


def _restarts(_: str, seen: Seen) -> Iterator[Check]:
    if started := seen.metric("process_start_time_seconds"):
        yield _promql("Which instance, and how often?", f"topk({_WORST}, changes({started}[30m]))")
    yield from _logs(seen)
    if memory := seen.metric("process_resident_memory_bytes"):
        yield _promql("Had it memory left?", f"topk({_WORST}, max_over_time({memory}[30m]))")


def _resource(alert: str, seen: Seen) -> Iterator[Check]:
    for expr in seen.exprs(alert):
        if share := _share(expr):
            yield _promql("Which instance?", f"topk({_WORST}, {share})")
        elif read := series_read(expr):
            yield _promql("Which instance?", f"topk({_WORST}, {read[0].bare})")
    if (memory := seen.metric("process_resident_memory_bytes")) and "Memory" in alert:
        yield _promql("Since when, and how fast (bytes/s)?", f"deriv({memory}[30m])")
    if seen.red:
        yield _promql("Is it the traffic?", seen.red.per_second())
    if started := seen.metric("process_start_time_seconds"):
        yield _promql("Did instances restart, and when (seconds ago)?", f"time() - {started}")


def _disk(alert: str, seen: Seen) -> Iterator[Check]:
    for expr in seen.exprs(alert):
        if share := _share(expr):
            yield _promql("Which disk (share that is used)?", f"topk({_WORST}, {share})")
        if read := series_read(expr):
            space = "free" if "avail" in read[0].metric else "used"
            yield _promql(f"How fast does its {space} space change (bytes/s)?", f"deriv({read[0].bare}[1h])")


def _share(expr: str) -> str | None:
    """Return what an alert on a share takes the largest of, so that each instance is seen."""
    found = _FILLING.fullmatch(expr) or _FULLEST.fullmatch(expr)
    return found["share"] if found else None


def _database(alert: str, seen: Seen) -> Iterator[Check]:
    looks = [_calls(seen), _connections(alert, seen)]
    for look in looks if alert == "DatabaseUnreachable" else reversed(looks):
        yield from look
    yield from _logs(seen)
    yield from _unknown(alert, seen)


def _calls(seen: Seen) -> Iterator[Check]:
    if calls := seen.metric("db_client_operation_duration_seconds_count"):
        yield _promql("Which calls fail, and why?", f"sum by (error_type) (rate({calls}[5m]))")


def _connections(alert: str, seen: Seen) -> Iterator[Check]:
    for expr in seen.exprs("DatabaseConnectionsExhausted"):
        if share := _share(expr):
            yield _promql("Which pool is used up (share)?", f"topk({_WORST}, {share})")
    if alert == "DatabaseConnectionTimeouts":
        for expr in seen.exprs(alert):
            yield _promql("How many got no connection in 5 minutes?", expr.rpartition(" > ")[0])


def _business(_: str, seen: Seen) -> Iterator[Check]:
    yield _promql("What is it now?", f"{VALUE}{{{seen.identity}}}")
    limits = f'{{__name__=~"{LOW}|{HIGH}",{seen.identity}}}'
    yield _promql("Beyond which limit does it alert?", limits)
    yield _promql("What was it a day ago?", f"{VALUE}{{{seen.identity}}} offset 1d")


def _degraded(alert: str, seen: Seen) -> Iterator[Check]:
    firing = f'ALERTS{{alertname="{alert}",alertstate="firing",{seen.identity}}}'
    yield _promql("Which metrics left their range?", firing)
    specs = metric_specs([seen.service], metric_names={seen.service.name: seen.names})
    for spec in sorted(specs, key=lambda one: not one.golden):
        yield _promql(f"What is its {spec.metric} now ({spec.unit})?", spec.query)


def _instances(seen: Seen) -> Iterator[Check]:
    if (up := seen.metric("up")) and ("up" in seen.names or seen.names is ASSUMED):
        yield _promql("Which instances answer?", up)
    elif metrics := seen.service.signals.metrics:
        yield _promql("Which of its series are there?", f"count by (__name__) ({{{metrics.selector}}})")


def _probe(seen: Seen) -> Iterator[Check]:
    if probe := seen.service.signals.synthetics:
        yield _promql("Does it answer from outside?", f"probe_success{{{probe.selector}}}")


def _logs(seen: Seen) -> Iterator[Check]:
    if logs := seen.service.signals.logs:
        yield Check("What do its logs say?", "logql", f'{logs.selector} |~ "(?i)error|exception"')


def _traces(seen: Seen) -> Iterator[Check]:
    if traces := seen.service.signals.traces:
        query = f'{{ resource.service.name = "{traces.service_name}" && status = error }}'
        yield Check("Where do requests fail?", "traceql", query)


_CHECKS: dict[str, Callable[[str, Seen], Iterator[Check]]] = {
    "SloBurnRatePage": _burn("1h", "5m"),
    "SloBurnRateTicket": _burn("1d", "2h"),
    "SloLowTrafficErrors": _trickle,
    "SloTelemetryAbsent": _telemetry,
    "ServiceDown": _up,
    "ServiceTelemetryAbsent": _telemetry,
    "ServiceProbeFailing": _probed,
    "InstanceRestarting": _restarts,
    "HighErrorRate": _errors,
    "HighResponseTime": _latency,
    "LowThroughput": _traffic,
    **dict.fromkeys(
        (
            "CpuSaturated",
            "CpuThrottled",
            "MemoryNearLimit",
            "MemoryGrowth",
            "MemoryFillsUp",
            "FileDescriptorsExhausted",
            "ThreadsExhausted",
            "ThreadsGrowth",
        ),
        _resource,
    ),
    **dict.fromkeys(("DiskFull", "DiskFillsUp"), _disk),
    **dict.fromkeys(
        ("DatabaseUnreachable", "DatabaseConnectionsExhausted", "DatabaseConnectionTimeouts"), _database
    ),
    "BusinessMetricAnomaly": _business,
    "DegradedAgainstBaseline": _degraded,
}

KNOWN = frozenset(_CHECKS)
"""The alerts for which there are looks of their own."""
