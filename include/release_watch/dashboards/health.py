"""System health: is a service up, is anything firing, and does a resource run out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from release_watch.artifacts.models import BaselineMetrics
from release_watch.catalog.models import Service
from release_watch.dashboards.bands import band_of
from release_watch.dashboards.connections import connection_of
from release_watch.dashboards.models import Level, Limit, Mark, Panel, Query, Row
from release_watch.identifiers import promql_string
from release_watch.slo.red import selector
from release_watch.slo.symptoms import FULL
from release_watch.slo.windows import plain

MOST_LINES = 10
"""Lines of a panel that has one per instance or endpoint: the highest are shown."""
MOST_TOGETHER = 50
"""Services that one query reads: of more, nobody could tell lines and marks apart."""
_VERSION = "version, service_version"
_FULL = f"{plain(FULL * 100)} %"


def health_row(
    service: Service, environment: str, names: Collection[str], baseline: BaselineMetrics | None = None
) -> Row:
    """Return availability, firing alerts and resources of a service."""
    panels = (*_state(service, environment, names), *_resources(service, names, baseline))
    return Row(service.name, panels, service.name)


def alert_panels(about: str, matchers: str, *, wall: bool = False) -> tuple[Panel, Panel]:
    """Return how many pages and how many tickets fire for what ``matchers`` select; 0 where none does."""

    def panel(severity: str, words: str, level: Level) -> Panel:
        firing = f'ALERTS{{{matchers},alertstate="firing",severity="{severity}"}}'
        query = Query(f"count({firing}) or vector(0)", f"{severity}s")
        limits = (Limit(1, level, f"any {severity} that fires"),)
        title = f"{about}{severity}s firing"
        return Panel(title, "none", (query,), words, limits, single=True, wall=wall)

    return (
        panel("page", "Alerts that wake somebody, as many as fire now.", "critical"),
        panel("ticket", "Alerts that wait for the morning, as many as fire now.", "warning"),
    )


def release_marks(
    services: Sequence[Service], metric_names: Mapping[str, Collection[str]]
) -> tuple[Mark, ...]:
    """Return the marks of new versions and of process starts, as the telemetry itself shows them."""
    here = [s for s in services if not connection_of(s.signals.metrics)][:MOST_TOGETHER]
    running = [found for s in here if (found := _running(s, metric_names[s.name]))]
    started = [_started(s, metric_names[s.name]) for s in here]
    marks: list[Mark] = []
    if running:
        now = f"count by (job, {_VERSION}) ({' or '.join(running)})"
        before = f"count by (job, {_VERSION}) ({' or '.join(f'{one} offset 5m' for one in running)})"
        title = "{{job}}: version {{version}}{{service_version}} appears"
        marks.append(Mark("New versions", f"{now} unless {before}", title, now))
    if starts := [one for one in started if one]:
        newest = f"max by (job) ({' or '.join(starts)}) * 1000"
        marks.append(Mark("Process starts", newest, "{{job}}: a process starts", newest, value_is_time=True))
    return tuple(marks)


def _running(service: Service, names: Collection[str]) -> str | None:
    """Return the selector of what there is once per instance and names its version."""
    return selector(service, "target_info", names) or selector(service, "up", names)


def _started(service: Service, names: Collection[str]) -> str | None:
    return selector(service, "process_start_time_seconds", names)


def resources_row(services: Sequence[Service], metric_names: Mapping[str, Collection[str]]) -> Row:
    """Return the resources of all services in one place, the highest first."""
    here = [s for s in services if not connection_of(s.signals.metrics)][:MOST_TOGETHER]

    def every(metric: str, form: str = "{}") -> str:
        found = (selector(s, metric, metric_names[s.name]) for s in here)
        return " or ".join(form.format(one) for one in found if one)

    panels = []
    if cpu := every("process_cpu_seconds_total", "rate({}[5m])"):
        words = "Processor time per service, all its instances together."
        panels.append(_overall("processor cores", f"sum by (job) ({cpu})", "none", words))
    if memory := every("process_resident_memory_bytes"):
        words = "Resident memory per service, all its instances together."
        panels.append(_overall("memory", f"sum by (job) ({memory})", "bytes", words))
    used, most = every("process_open_fds"), every("process_max_fds")
    if used and most:
        words = "Of each service the instance with the largest share of its file descriptors open."
        share = f"max by (job) (({used}) / ({most}))"
        limit = Limit(float(FULL), "critical", f"alert FileDescriptorsExhausted, {_FULL}")
        panels.append(_overall("file descriptors", share, "percentunit", words, (limit,)))
    if started := every("process_start_time_seconds"):
        words = "Processes not yet an hour old: deployments, restarts, crashes."
        young = f"sum by (job) (time() - ({started}) < bool 3600)"
        panels.append(_overall("started within the hour", young, "none", words))
    return Row("All services", tuple(panels))


def _overall(title: str, expr: str, unit: str, words: str, limits: tuple[Limit, ...] = ()) -> Panel:
    query = Query(f"topk({MOST_LINES}, {expr})", "{{job}}")
    words = f"{words} The {MOST_LINES} highest."
    return Panel(f"All services: {title}", unit, (query,), words, limits, wall=True)


def hosts_row() -> Row:
    """Return processor, memory, disks and network of the hosts that a node exporter watches."""
    disk = 'node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"}'
    size = 'node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs"}'
    full = (Limit(float(FULL), "warning", f"the threshold of resource alerts, {_FULL}"),)
    idle = 'rate(node_cpu_seconds_total{mode="idle"}[5m])'
    network = "rate(node_network_receive_bytes_total[5m]) + rate(node_network_transmit_bytes_total[5m])"
    return Row(
        "Hosts",
        (
            _host("busiest", f"1 - avg by (instance) ({idle})", "percentunit", "Processor time used.", full),
            _host(
                "memory used",
                "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                "percentunit",
                "Memory that programs cannot get any more.",
                full,
            ),
            _host(
                "fullest disks",
                f"max by (instance) (1 - {disk} / ({size} > 0))",
                "percentunit",
                "Of each host the fullest file system.",
                full,
            ),
            _host(
                "network throughput", f"sum by (instance) ({network})", "Bps", "Received and sent together."
            ),
        ),
    )


def _host(title: str, expr: str, unit: str, words: str, limits: tuple[Limit, ...] = ()) -> Panel:
    query = Query(f"topk(5, {expr})", "{{instance}}")
    return Panel(f"Hosts: {title}", unit, (query,), f"{words} The five highest.", limits)


def _state(service: Service, environment: str, names: Collection[str]) -> Iterator[Panel]:
    name, connection = service.name, connection_of(service.signals.metrics)
    if up := selector(service, "up", names):
        yield Panel(
            f"{name}: instances",
            "none",
            (Query(f"sum({up})", "up"), Query(f"count({up})", "known")),
            "How many instances answer Prometheus, of how many that it knows.",
            (Limit(1, "critical", "alert ServiceDown: no instance answers"),),
            worse="down",
            single=True,
            wall=True,
            connection=connection,
        )
    if service.signals.synthetics is not None:
        probe = f"probe_success{{{service.signals.synthetics.selector}}}"
        yield Panel(
            f"{name}: synthetic check",
            "none",
            (Query(f"min({probe})", "worst probe"),),
            "1 if the service answers as a user would reach it, 0 if any probe of it fails.",
            (Limit(1, "critical", "alert ServiceProbeFailing: a probe fails"),),
            worse="down",
            single=True,
            wall=True,
            connection=connection_of(service.signals.synthetics),
            told=((1, "succeeds"), (0, "fails")),
        )
    identity = f"service={promql_string(name)},environment={promql_string(environment)}"
    yield from alert_panels(f"{name}: ", identity, wall=True)
    if running := _running(service, names):
        yield Panel(
            f"{name}: versions",
            "none",
            (Query(f"count by ({_VERSION}) ({running})", "{{version}}{{service_version}}"),),
            "Instances per version: during a rollout there are two.",
            single=True,
            connection=connection,
        )


def _resources(service: Service, names: Collection[str], baseline: BaselineMetrics | None) -> Iterator[Panel]:
    if service.signals.synthetics is not None:
        probe = f"probe_success{{{service.signals.synthetics.selector}}}"
        band = band_of(service.name, "availability", baseline)
        words = f"Share of the probes of 5 minutes that succeeded.{band.words}"
        share = Query(f"avg(avg_over_time({probe}[5m]))", "succeeded")
        limit = Limit(1, "warning", "every probe succeeds")
        yield Panel(
            f"{service.name}: seen from outside",
            "percentunit",
            (share, *band.queries),
            words,
            (limit,),
            worse="down",
            connection=connection_of(service.signals.synthetics),
        )
    for title, metric, unit, form, words, baseline_metric in _PROCESS:
        if found := selector(service, metric, names):
            band = band_of(service.name, baseline_metric, baseline)
            query = Query(f"topk({MOST_LINES}, {form.format(found)})", "{{instance}}")
            yield _resource(service, title, unit, (query, *band.queries), words + band.words)
    yield from _descriptors(service, names)
    yield from _restarts(service, names)
    yield from _connections(service, names)


_PROCESS = (
    (
        "processor cores used",
        "process_cpu_seconds_total",
        "none",
        "sum by (instance) (rate({}[5m]))",
        "Processor time per instance, in cores; the ten busiest.",
        "cpu_cores",
    ),
    (
        "memory",
        "process_resident_memory_bytes",
        "bytes",
        "max by (instance) ({})",
        "Resident memory per instance; the ten largest. Steady growth ends in a restart.",
        "memory_bytes",
    ),
)


def _descriptors(service: Service, names: Collection[str]) -> Iterator[Panel]:
    used = selector(service, "process_open_fds", names)
    most = selector(service, "process_max_fds", names)
    if used and most:
        share = f"topk({MOST_LINES}, max by (instance) ({used} / {most}))"
        limit = Limit(float(FULL), "critical", f"alert FileDescriptorsExhausted, {_FULL}")
        words = "Share of the file descriptors that are open; at 100 % new connections fail."
        query = Query(share, "{{instance}}")
        yield _resource(service, "file descriptors", "percentunit", (query,), words, (limit,))
    elif used:
        query = Query(f"topk({MOST_LINES}, max by (instance) ({used}))", "{{instance}}")
        words = "File descriptors that are open, per instance."
        yield _resource(service, "file descriptors", "none", (query,), words)


def _restarts(service: Service, names: Collection[str]) -> Iterator[Panel]:
    if started := _started(service, names):
        queries = (
            Query(f"sum(changes({started}[1h]))", "restarts in place"),
            Query(f"sum(time() - {started} < bool 3600)", "started within the hour"),
        )
        words = (
            "Restarts of the last hour: of instances that kept their name, and processes not yet an hour old."
        )
        yield _resource(service, "restarts", "none", queries, words)


def _connections(service: Service, names: Collection[str]) -> Iterator[Panel]:
    usage = selector(service, "db_client_connections_usage", names)
    used = selector(service, "db_client_connections_usage", names, 'state="used"')
    most = selector(service, "db_client_connections_max", names)
    if used and most:
        share = f"topk({MOST_LINES}, sum by (instance) ({used}) / sum by (instance) ({most}))"
        limit = Limit(float(FULL), "warning", f"alert DatabaseConnectionsExhausted, {_FULL}")
        words = "Share of the pool of database connections in use; at 100 % requests wait."
        query = Query(share, "{{instance}}")
        yield _resource(service, "database connections", "percentunit", (query,), words, (limit,))
    elif usage:
        query = Query(f"topk({MOST_LINES}, sum by (instance, state) ({usage}))", "{{instance}} {{state}}")
        words = "Database connections, per instance."
        yield _resource(service, "database connections", "none", (query,), words)


def _resource(
    service: Service,
    title: str,
    unit: str,
    queries: tuple[Query, ...],
    words: str,
    limits: tuple[Limit, ...] = (),
) -> Panel:
    return Panel(
        f"{service.name}: {title}",
        unit,
        queries,
        words,
        limits,
        connection=connection_of(service.signals.metrics),
    )
