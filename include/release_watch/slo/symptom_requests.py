"""Are users served: failed requests, slow ones, and requests that fail to come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from release_watch.slo.red import Red
from release_watch.slo.rulefile import Rule
from release_watch.slo.symptom_alerts import SUSTAINED, TWO_SCRAPES, Watched, at_least
from release_watch.slo.windows import plain

ERROR_RATIO = Decimal("0.05")
LEAST_ERRORS = 5
"""With little traffic a single failure is a high ratio; fewer failures than these wake nobody."""
DEFAULT_LATENCY = Decimal(1)
QUANTILE = Decimal("0.95")
LEAST_REQUESTS = 20
"""Of fewer requests, one that is slow is the 95th percentile."""
LOW_SHARE = Decimal("0.1")
LEAST_TRAFFIC = Decimal("0.1")
"""30 requests in five minutes: that fewer than 3 come is no chance (Poisson: once in 10^10 times)."""
LONG_ENOUGH = timedelta(minutes=10)

EXPECTED = "service:requests_expected:rate30m"


def failures(watched: Watched) -> Iterator[tuple[Rule, ...]]:
    """Yield the alerts on failed and on slow requests."""
    if (red := watched.red) is None:
        return
    limit, origin = _error_limit(watched)
    yield (
        watched.alert(
            "HighErrorRate",
            f"{red.error_ratio()} > {plain(limit)} "
            f"and sum(increase({red.errors}[5m])) {at_least(LEAST_ERRORS)}",
            watched.urgent,
            summary="many requests fail",
            description="{{ $value | humanizePercentage }} of the requests of the last 5 minutes failed.",
            threshold=f"more than {plain(limit * 100)} % of requests over 5m ({origin}), at least "
            f"{LEAST_ERRORS} failures",
            hold=TWO_SCRAPES,
        ),
    )
    limit, quantile, origin = _latency_limit(watched)
    if (latency := red.latency(plain(quantile))) is not None:
        yield (
            watched.alert(
                "HighResponseTime",
                f"{latency} > {plain(limit)} and sum(increase({red.total}[5m])) {at_least(LEAST_REQUESTS)}",
                "ticket",
                summary="responses are slow",
                description=f"{plain(quantile * 100)} % of the requests of the last 5 minutes took up to "
                "{{ $value | humanizeDuration }}, and the others longer.",
                threshold=f"p{plain(quantile * 100)} over 5m above {plain(limit)} s ({origin}), at least "
                f"{LEAST_REQUESTS} requests",
                hold=SUSTAINED,
            ),
        )


def traffic(watched: Watched) -> Iterator[tuple[Rule, ...]]:
    """Yield the alert on requests that fail to come, after the rule of how many are expected."""
    if (red := watched.red) is None:
        return
    record, recorded = watched.recording(EXPECTED, _expected(red))
    expected = f"sum({recorded})"
    yield (
        record,
        watched.alert(
            "LowThroughput",
            f"({red.per_second()} or 0 * {expected}) < {LOW_SHARE} * {expected} "
            f"and {expected} > {LEAST_TRAFFIC}",
            "ticket",
            summary="requests fail to come",
            description="Only {{ $value | humanize }} requests/s arrive, far fewer than at this time of day: "
            "users or callers do not reach the service.",
            threshold=f"below {plain(LOW_SHARE * 100)} % of the requests/s of the same time a day before and "
            "a week before, the lower of the two (of the hour before, while nothing older is known), where "
            f"those are more than {LEAST_TRAFFIC}/s",
            hold=LONG_ENOUGH,
        ),
    )


def _expected(red: Red) -> str:
    """Return the PromQL of the requests per second to expect now.

    Half an hour around the same time of the day before and of the week before; of both the lower one, since
    of weekends and working days one is wrong. Nights are low in it, and so is no traffic at night. The hour
    before stands in while there is no other; what is not an hour old has none.
    """
    day, week = (f"sum(rate({red.total}[30m] offset {back}))" for back in ("23h45m", "6d23h45m"))
    hour = f"sum(rate({red.total}[1h] offset 5m)) and on () count({red.total} offset 1h)"
    return f"{day} < {week} or {week} or {day} or ({hour})"


def _error_limit(watched: Watched) -> tuple[Decimal, str]:
    """Return which share of failures is many; what an SLO allows all the time is not."""
    budgets = [(slo.error_budget, slo.name) for slo in watched.slos if slo.kind == "ratio"]
    budget, name = max(budgets, default=(Decimal(0), ""))
    if budget > ERROR_RATIO:
        return budget, f"the error budget of SLO {name}"
    return ERROR_RATIO, "default"


def _latency_limit(watched: Watched) -> tuple[Decimal, Decimal, str]:
    """Return threshold in seconds, quantile, and where they come from: the slowest that an SLO promises."""
    promised = [
        (slo.threshold_seconds, min(QUANTILE, slo.objective), slo.name)
        for slo in watched.slos
        if slo.threshold_seconds is not None
    ]
    if not promised:
        return DEFAULT_LATENCY, QUANTILE, "default, as there is no latency SLO"
    limit, quantile, name = max(promised, key=lambda one: (one[0], -one[1]))
    return limit, quantile, f"the threshold of SLO {name}"
