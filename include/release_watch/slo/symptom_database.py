"""Does the service reach its database, and has it connections left."""

from __future__ import annotations

from collections.abc import Iterator

from release_watch.slo.rulefile import Rule
from release_watch.slo.symptom_alerts import SUSTAINED, TWO_SCRAPES, Watched, at_least
from release_watch.slo.symptom_requests import ERROR_RATIO, LEAST_ERRORS
from release_watch.slo.symptom_resources import FULL, Source
from release_watch.slo.windows import plain

CALLS = "db_client_operation_duration_seconds_count"

_PER_INSTANCE = "sum by (instance) ({0}) / (sum by (instance) ({1}) > 0)"

POOLS = (
    Source(('db_client_connections_usage state="used"', "db_client_connections_max"), _PER_INSTANCE),
    Source(
        ('db_client_connection_count db_client_connection_state="used"', "db_client_connection_max"),
        _PER_INSTANCE,
    ),
    Source(("hikaricp_connections_active", "hikaricp_connections_max"), "{0} / ({1} > 0)"),
    Source(("jdbc_connections_active", "jdbc_connections_max"), "{0} / ({1} > 0)"),
    Source(("go_sql_in_use_connections", "go_sql_max_open_connections"), "{0} / ({1} > 0)"),
)
"""OpenTelemetry, before and since its database conventions are stable; Micrometer; Go's database/sql."""

TIMEOUTS = (
    "db_client_connections_timeouts_total",
    "db_client_connection_timeouts_total",
    "hikaricp_connections_timeout_total",
)
"""Requests that waited for a connection and got none."""


def database(watched: Watched) -> Iterator[tuple[Rule, ...]]:
    """Yield the alerts on calls that fail, on a pool that is used up, and on waiting in vain for it."""
    calls, failed = watched.metric(CALLS), watched.metric(CALLS, 'error_type!=""')
    if calls and failed:
        yield (
            watched.alert(
                "DatabaseUnreachable",
                f"sum(rate({failed}[5m])) / (sum(rate({calls}[5m])) > 0) > {ERROR_RATIO} "
                f"and sum(increase({failed}[5m])) {at_least(LEAST_ERRORS)}",
                watched.urgent,
                summary="calls to its database fail",
                description="{{ $value | humanizePercentage }} of the database operations of the last 5 "
                "minutes failed.",
                threshold=f"more than {plain(ERROR_RATIO * 100)} % of operations over 5m (default), at least "
                f"{LEAST_ERRORS} failures",
                hold=TWO_SCRAPES,
            ),
        )
    if share := next((found for pool in POOLS if (found := pool.read(watched))), None):
        yield (
            watched.alert(
                "DatabaseConnectionsExhausted",
                f"max({share}) > {FULL}",
                "ticket",
                summary="its database connections run out",
                description="{{ $value | humanizePercentage }} of the pool are in use; requests will queue.",
                threshold=f"{plain(FULL * 100)} % of the pool (default)",
                hold=SUSTAINED,
            ),
        )
    if timeouts := next((found for name in TIMEOUTS if (found := watched.metric(name))), None):
        yield (
            watched.alert(
                "DatabaseConnectionTimeouts",
                f"sum(increase({timeouts}[5m])) {at_least(LEAST_ERRORS)}",
                watched.urgent,
                summary="requests wait in vain for a database connection",
                description="{{ $value | humanize }} requests of the last 5 minutes got no connection: the "
                "pool is used up, or the database cannot be reached.",
                threshold=f"at least {LEAST_ERRORS} in 5m (default)",
                hold=TWO_SCRAPES,
            ),
        )
