"""What captures: ``python -m benchmarks.capture_process SIDE URL SERVICES START END`` prints JSON.

``ours`` captures as a task does. ``client`` does what a script with ``prometheus_api_client`` does: it loads
the raw series of a service, makes a ``MetricRangeDataFrame`` of each metric, and groups.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests

from benchmarks.audit_process import memory_bytes
from benchmarks.bulk import DURATION, VERSION, names, service
from benchmarks.capture_history import STEP
from release_watch.artifacts.models import BaselineKind
from release_watch.baseline.capture import QUANTILES, Source, capture_to
from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.policies import Policies
from release_watch.release import Release
from release_watch.telemetry.metrics import Prometheus
from sandbox.shop.topology import ENVIRONMENT

if TYPE_CHECKING:
    import pandas as pd

PATIENCE_SECONDS = 120.0
Span = tuple[datetime, datetime]


class Moved:
    """What came over the network into this process, and how long it waited for it."""

    def __init__(self) -> None:
        self.calls, self.wire_bytes, self.bytes, self.http_seconds = 0, 0, 0, 0.0
        self._send, self._receive = requests.Session.send, socket.socket.recv_into

    def start(self) -> None:
        """Count from now on: requests where all of them pass, and bytes as the sockets give them."""

        def send(session: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            began = time.perf_counter()
            response = self._send(session, request, **options)
            self.bytes += len(response.content)
            self.http_seconds += time.perf_counter() - began
            self.calls += 1
            return response

        def receive(connection: Any, *arguments: Any) -> int:
            size = self._receive(connection, *arguments)
            self.wire_bytes += size
            return size

        requests.Session.send = send  # type: ignore[method-assign]
        socket.socket.recv_into = receive  # type: ignore[method-assign]

    def state(self) -> dict[str, float]:
        """Return all of it, and the time, to be subtracted from a later one."""
        return {
            "seconds": time.perf_counter(),
            "cpu_seconds": time.process_time(),
            "http_seconds": self.http_seconds,
            "calls": self.calls,
            "wire_bytes": self.wire_bytes,
            "bytes": self.bytes,
        }


class Meter:
    """Adds up, by metric, what it takes."""

    def __init__(self, moved: Moved) -> None:
        self._moved = moved
        self.metrics: defaultdict[str, Counter[str]] = defaultdict(Counter)

    @contextmanager
    def of(self, metric: str) -> Iterator[None]:
        """Add what happens in the block to ``metric``."""
        before = self._moved.state()
        yield
        after = self._moved.state()
        self.metrics[metric].update({what: after[what] - before[what] for what in after})


def ours(url: str, count: int, span: Span, meter: Meter) -> dict[str, Any]:
    """Capture the baseline, one metric after the other, and write its samples; returns what came of it."""
    services = [service(name) for name in names(count)]
    specs = metric_specs(services, step=STEP)
    release = Release(
        deployment_id="bulk",
        release_id="bulk",
        version=VERSION,
        environment=ENVIRONMENT,
        services=names(count),
        deployed_at=span[1],
        evidence_uri="file:///evidence",
    )
    metrics = Prometheus(url, timeout_seconds=PATIENCE_SECONDS)
    kept, size, medians = 0, 0, {}
    for metric in dict.fromkeys(spec.metric for spec in specs):
        with meter.of(metric), tempfile.TemporaryFile() as file:
            where = Source(metrics, tuple(spec for spec in specs if spec.metric == metric))
            baseline = capture_to(file, BaselineKind.REFERENCE, [where], span, STEP, release, Policies())
            size += file.seek(0, 2)
        kept += sum(entry.samples for entry in baseline.metrics)
        medians[metric] = baseline.metrics[0].quantiles["0.5"]
    return {"samples": kept, "file_bytes": size, "medians": medians}


def client(url: str, count: int, span: Span, meter: Meter) -> dict[str, Any]:
    """Load raw series, compute the same six metrics of each service a minute, and their quantiles."""
    from prometheus_api_client import PrometheusConnect

    prometheus = PrometheusConnect(url=url, timeout=PATIENCE_SECONDS)
    kept, medians = 0, {}
    for name in names(count):
        for metric, compute in METRICS.items():
            with meter.of(metric):
                values = compute(_Client(prometheus, name, span)).dropna()
                quantiles = values.quantile(list(QUANTILES))
            medians.setdefault(metric, float(quantiles[0.5]))
            kept += len(values)
    return {"samples": kept, "medians": medians}


class _Client:
    """Loads the raw series of one service."""

    def __init__(self, prometheus: Any, name: str, span: Span) -> None:
        self._prometheus, self._name, self._span = prometheus, name, span

    def frame(self, metric: str) -> pd.DataFrame:
        from prometheus_api_client import MetricRangeDataFrame

        probe = metric.startswith("probe_")
        labels = {"job": "blackbox", "service": self._name} if probe else {"job": f"bulk/{self._name}"}
        start, end = self._span[0] - timedelta(minutes=4), self._span[1]
        loaded = self._prometheus.get_metric_range_data(
            metric, label_config=labels, start_time=start, end_time=end
        )
        return MetricRangeDataFrame(loaded)

    def requests(self) -> pd.DataFrame:
        return _rates(self.frame(f"{DURATION}_count"), ["http_response_status_code"])

    def error_ratio(self) -> pd.Series:
        rates = self.requests()
        return rates["500"] / rates.sum(axis=1)

    def latency(self) -> pd.Series:
        return _quantile(_rates(self.frame(f"{DURATION}_bucket"), ["le"]), 0.95)

    def throughput(self) -> pd.Series:
        return self.requests().sum(axis=1, min_count=1)

    def mean(self, metric: str) -> pd.Series:
        return self.frame(metric).groupby("timestamp")["value"].mean()

    def cpu(self) -> pd.Series:
        return _rates(self.frame("process_cpu_seconds_total"), ["job"]).mean(axis=1)


METRICS: dict[str, Callable[[_Client], pd.Series]] = {
    "error_ratio": _Client.error_ratio,
    "latency_p95_seconds": _Client.latency,
    "throughput_rps": _Client.throughput,
    "memory_bytes": lambda one: one.mean("process_resident_memory_bytes"),
    "cpu_cores": _Client.cpu,
    "availability": lambda one: one.mean("probe_success"),
}


def _rates(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return increases per second over four minutes, summed by the labels, a column each."""
    names_ = [name for name in frame.columns if name != "value"]
    wide = frame.set_index(names_, append=True)["value"].unstack(names_)
    rates = wide.diff(4).clip(lower=0) / 240
    return rates.T.groupby(level=list(by)).sum(min_count=1).T


def _quantile(buckets: pd.DataFrame, q: float) -> pd.Series:
    """Return a quantile of each row of cumulative buckets, as ``histogram_quantile`` does."""
    import numpy as np
    import pandas as pd

    columns = sorted(buckets.columns, key=float)
    bounds = np.array([0.0, *(float(column) for column in columns)])
    values = buckets[columns].to_numpy()
    counts = np.column_stack([np.zeros(len(values)), values])
    rank = q * counts[:, -1]
    place = np.clip((counts < rank[:, None]).sum(axis=1), 1, len(bounds) - 2)
    rows = np.arange(len(values))
    low, high = counts[rows, place - 1], counts[rows, place]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (rank - low) / (high - low)
    found = bounds[place - 1] + (bounds[place] - bounds[place - 1]) * np.clip(share, 0, 1)
    return pd.Series(found, index=buckets.index)


SIDES = {"ours": ours, "client": client}


def main(arguments: Sequence[str]) -> None:
    """Capture and print what it took."""
    side, url, count, start, end = arguments
    import pandas  # noqa: F401 - both sides need it, and neither's time should hold its import
    import prometheus_api_client  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    moved, before = Moved(), memory_bytes("VmRSS")
    moved.start()
    meter = Meter(moved)
    span = datetime.fromisoformat(start), datetime.fromisoformat(end)
    found = SIDES[side](url, int(count), span, meter)
    result = {
        "services": int(count),
        "memory_before_bytes": before,
        "memory_peak_bytes": memory_bytes("VmHWM"),
        "metrics": meter.metrics,
        **found,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
