"""SLOs: what is left of each error budget, how fast it burns, and when it will be gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from release_watch.catalog.slos import Slo
from release_watch.dashboards.bands import arms_of, burn_limits, ratio_limits
from release_watch.dashboards.health import MOST_LINES, alert_panels
from release_watch.dashboards.models import Level, Limit, Panel, Query, Row
from release_watch.identifiers import promql_string
from release_watch.slo.recorded import BUDGET_BURNED, OBJECTIVE
from release_watch.slo.rulefile import duration
from release_watch.slo.windows import plain

_SHORTEST, _PACE = timedelta(minutes=5), timedelta(hours=1)
_LEFT = (
    Limit(0.25, "warning", "a quarter of the error budget: the usual mark to put stability first"),
    Limit(0, "critical", "no error budget is left"),
)


def overview_row(slos: Sequence[Slo], environment: str) -> Row:
    """Return the worst of all SLOs of a release, and how many of their alerts fire."""
    matchers = _several([slo.name for slo in slos], environment)
    fastest = max((arm.factor for slo in slos for arm in arms_of(slo)), default=None)
    limits = (
        (Limit(float(fastest), "critical", "the highest burn rate that any of the SLOs pages at"),)
        if fastest is not None
        else ()
    )
    return Row(
        "All SLOs",
        (
            *alert_panels("SLOs: ", f'{matchers},alertname=~"Slo.*"'),
            Panel(
                "SLOs: least error budget left",
                "percentunit",
                (Query(f"bottomk({MOST_LINES}, 1 - {BUDGET_BURNED}{{{matchers}}})", "{{slo}}"),),
                f"The {MOST_LINES} error budgets of which least is left.",
                _LEFT,
                worse="down",
            ),
            Panel(
                "SLOs: fastest burn",
                "none",
                (Query(f"topk({MOST_LINES}, {_burn(slos, environment)})", "{{slo}}"),),
                f"The {MOST_LINES} highest burn rates; 1 uses a budget up exactly at the end of its period.",
                limits,
            ),
        ),
    )


def service_row(service: str, slos: Sequence[Slo], environment: str) -> Row:
    """Return what is left of the error budgets of a service, and how fast they burn, one line per SLO."""
    matchers = _several([slo.name for slo in slos], environment)
    grouped = {label for slo in slos for label in slo.group_by}
    legend = " ".join(["{{slo}}", *(f"{{{{{label}}}}}" for label in sorted(grouped))])
    return Row(
        service,
        (
            Panel(
                f"{service}: burn rates",
                "none",
                (Query(f"topk({MOST_LINES}, {_burn(slos, environment)})", legend),),
                f"Over {_pace_of(slos)}; 1 uses the error budget up exactly at the end of its period.",
                _merged([limit for slo in slos for limit in burn_limits(slo)]),
                wall=True,
            ),
            Panel(
                f"{service}: error budgets left",
                "percentunit",
                (Query(f"bottomk({MOST_LINES}, 1 - {BUDGET_BURNED}{{{matchers}}})", legend),),
                "Share of the error budget that is left, by the history that Prometheus has.",
                _LEFT,
                worse="down",
                wall=True,
            ),
        ),
        service,
    )


def slo_row(slo: Slo, environment: str) -> Row:
    """Return error budget, burn rates per window, time to exhaustion, events and alerts of one SLO."""
    return Row(f"{slo.service}: {slo.name}", tuple(_panels(slo, environment)), slo.service)


def _panels(slo: Slo, environment: str) -> Iterator[Panel]:
    name = slo.name
    matchers = _matchers(slo, environment)
    budget = plain(slo.error_budget)
    burned = f"{BUDGET_BURNED}{{{matchers}}}"
    pace = _pace_of([slo])
    period = timedelta(days=slo.window_days) // timedelta(seconds=1)
    yield Panel(
        f"{name}: error budget left",
        "percentunit",
        (Query(f"bottomk({MOST_LINES}, 1 - {burned})", _legend(slo, "left")),),
        f"{plain(slo.objective * 100)} % of {_events(slo)} are to be good over {slo.window_days} days; this "
        "share of the allowed bad ones is left, by the history that Prometheus has.",
        _LEFT,
        worse="down",
        single=True,
    )
    burn = f"(clamp_min({_ratio(pace, slo, environment)}, 1e-12) / {budget})"
    yield Panel(
        f"{name}: time to exhaustion",
        "s",
        (
            Query(
                f"bottomk({MOST_LINES}, clamp_max(clamp_min(1 - {burned}, 0) * {period} / {burn}, {period}))",
                _legend(slo, "until it is used up"),
            ),
        ),
        f"How long the budget lasts at the pace of the last {pace}; {slo.window_days} days stand for that or "
        "longer, nothing for no events to go by.",
        (
            Limit(period / 10, "warning", f"a tenth of the period of {slo.window_days} days"),
            Limit(86400, "critical", "a day: it will be gone before tomorrow"),
        ),
        worse="down",
        single=True,
    )
    yield from alert_panels(f"{name}: ", matchers)
    windows = _windows(slo)
    yield Panel(
        f"{name}: error ratio",
        "percentunit",
        tuple(
            Query(f"topk({MOST_LINES}, {_ratio(window, slo, environment)})", _legend(slo, window))
            for window in windows[:3]
        ),
        "Share of bad events per window.",
        (
            Limit(float(slo.error_budget), "warning", f"the error budget of SLO {slo.name}"),
            *ratio_limits(slo),
        ),
    )
    yield Panel(
        f"{name}: burn rates",
        "none",
        tuple(
            Query(f"topk({MOST_LINES}, {_ratio(window, slo, environment)} / {budget})", _legend(slo, window))
            for window in windows
        ),
        f"How many times as fast as it may the budget is used, per window. {_arms(slo)}",
        burn_limits(slo),
    )
    yield Panel(
        f"{name}: events",
        "cps",
        tuple(
            Query(
                f"topk({MOST_LINES}, slo:events_{quantity}:rate{duration(_SHORTEST)}{{{matchers}}})",
                _legend(slo, words),
            )
            for quantity, words in (("total", "all"), ("bad", "bad"))
        ),
        f"What is counted, per second: {_events(slo)}. {slo.description}".strip(),
    )


def _burn(slos: Sequence[Slo], environment: str) -> str:
    """Return the PromQL of the burn rates of several SLOs."""
    matchers = _several([slo.name for slo in slos], environment)
    return (
        f"slo:error_ratio:rate{_pace_of(slos)}{{{matchers}}} / on (slo, service, environment) group_left () "
        f"(1 - {OBJECTIVE}{{{matchers}}})"
    )


def _merged(limits: Sequence[Limit]) -> tuple[Limit, ...]:
    """Return limits of equal value and level as one that names all origins."""
    origins: dict[tuple[float, Level], list[str]] = {}
    for limit in limits:
        origins.setdefault((limit.value, limit.level), []).append(limit.origin)
    return tuple(Limit(value, level, "; ".join(words)) for (value, level), words in origins.items())


def _arms(slo: Slo) -> str:
    return " ".join(
        f"A {arm.severity} fires if {duration(arm.long)} and {duration(arm.short)} are above "
        f"{plain(arm.factor)}."
        for arm in arms_of(slo)
    )


def _events(slo: Slo) -> str:
    return "events" if slo.budgeting == "Occurrences" else "time slices"


def _legend(slo: Slo, words: str) -> str:
    return " ".join([*(f"{{{{{label}}}}}" for label in slo.group_by), words])


def _windows(slo: Slo) -> list[str]:
    windows = {_SHORTEST} | {window for arm in arms_of(slo) for window in (arm.short, arm.long)}
    return [duration(window) for window in sorted(windows)]


def _pace_of(slos: Sequence[Slo]) -> str:
    """Return the window by which the pace is told: an hour, if it is recorded for all of them."""
    hourly = all(any(arm.long == _PACE for arm in arms_of(slo)) for slo in slos)
    return duration(_PACE if hourly else _SHORTEST)


def _ratio(window: str, slo: Slo, environment: str) -> str:
    return f"slo:error_ratio:rate{window}{{{_matchers(slo, environment)}}}"


def _matchers(slo: Slo, environment: str) -> str:
    return f"slo={promql_string(slo.name)},environment={promql_string(environment)}"


def _several(names: Sequence[str], environment: str) -> str:
    # SLO names are lower-case letters, digits and '-', which mean themselves in a pattern.
    return f"slo=~{promql_string('|'.join(names))},environment={promql_string(environment)}"
