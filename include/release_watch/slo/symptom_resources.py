"""Does a resource run out: the S of the USE method, for what processes, containers and hosts expose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.slo.rulefile import Rule
from release_watch.slo.symptom_alerts import SUSTAINED, Watched
from release_watch.slo.windows import plain

FULL = Decimal("0.9")
THROTTLED = Decimal("0.25")
BUSY_FOR = timedelta(minutes=15)
"""Starting takes all of the processor for minutes, and so does a batch."""

_CONTAINER = 'container!="",container!="POD"'
_DISK = 'fstype!~"tmpfs|overlay|squashfs|iso9660"'


class Source(NamedTuple):
    """The metrics that tell how much of a resource is used, and the PromQL of it over their selectors.

    ``needs`` are names, each with further matchers after a space.
    """

    needs: tuple[str, ...]
    share: str

    def read(self, watched: Watched) -> str | None:
        """Return the PromQL of the used share per instance; None if the service lacks one of the metrics."""
        found = [watched.metric(*need.split(" ", 1)) for need in self.needs]
        if any(one is None for one in found):
            return None
        return self.share.format(*found)


class Resource(NamedTuple):
    """A resource, its alert, and where to read it; the first source that the service has is taken."""

    alert: str
    summary: str
    description: str
    of: str
    limit: Decimal
    hold: timedelta
    urgent: bool
    sources: tuple[Source, ...]


_PER_CONTAINER = "sum by (namespace, pod, container) ({})"
_RATE = _PER_CONTAINER.format("rate({0}[5m])")

RESOURCES = (
    Resource(
        "CpuSaturated",
        "the processor time that it may use is used up",
        "{{ $value | humanizePercentage }} of the processor time that an instance may use is used: it "
        "answers late, and soon not at all.",
        "of an instance's processor time",
        FULL,
        BUSY_FOR,
        False,
        (
            Source(
                (
                    f"container_cpu_usage_seconds_total {_CONTAINER}",
                    f"container_spec_cpu_quota {_CONTAINER}",
                    f"container_spec_cpu_period {_CONTAINER}",
                ),
                f"{_RATE} / ({_PER_CONTAINER.format('{1}')} / {_PER_CONTAINER.format('{2}')} > 0)",
            ),
            Source(("k8s_container_cpu_limit_utilization_ratio",), "{0}"),
            Source(
                ("process_cpu_seconds_total", "go_sched_gomaxprocs_threads"),
                "sum by (instance) (rate({0}[5m])) / (sum by (instance) ({1}) > 0)",
            ),
            Source(("process_cpu_usage",), "avg_over_time({0}[5m])"),
            Source(("jvm_cpu_recent_utilization_ratio",), "avg_over_time({0}[5m])"),
            Source(
                ('node_cpu_seconds_total mode="idle"',),
                "1 - avg by (instance) (rate({0}[5m]))",
            ),
        ),
    ),
    Resource(
        "CpuThrottled",
        "its container is throttled",
        "In {{ $value | humanizePercentage }} of the periods the container was stopped until the next one, "
        "as it had used its quota: requests wait, whatever the mean usage says.",
        "of the periods throttled",
        THROTTLED,
        BUSY_FOR,
        False,
        (
            Source(
                (
                    f"container_cpu_cfs_throttled_periods_total {_CONTAINER}",
                    f"container_cpu_cfs_periods_total {_CONTAINER}",
                ),
                f"{_RATE} / ({_PER_CONTAINER.format('rate({1}[5m])')} > 0)",
            ),
        ),
    ),
    Resource(
        "MemoryNearLimit",
        "memory is almost used up",
        "{{ $value | humanizePercentage }} of the memory that an instance may use are in use; at the limit "
        "it is killed.",
        "of the memory limit",
        FULL,
        SUSTAINED,
        True,
        (
            Source(
                (
                    f"container_memory_working_set_bytes {_CONTAINER}",
                    f"container_spec_memory_limit_bytes {_CONTAINER}",
                ),
                f"{_PER_CONTAINER.format('{0}')} / ({_PER_CONTAINER.format('{1}')} > 0)",
            ),
            Source(("k8s_container_memory_limit_utilization_ratio",), "{0}"),
            Source(("jvm_memory_usage_after_gc",), "{0}"),
            Source(
                (
                    'jvm_memory_used_after_last_gc_bytes jvm_memory_type="heap"',
                    'jvm_memory_limit_bytes jvm_memory_type="heap"',
                ),
                "sum by (instance) ({0}) / (sum by (instance) ({1}) > 0)",
            ),
            Source(
                ("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"),
                "1 - sum by (instance) ({0}) / (sum by (instance) ({1}) > 0)",
            ),
        ),
    ),
    Resource(
        "FileDescriptorsExhausted",
        "file descriptors run out",
        "{{ $value | humanizePercentage }} of them are open; new connections will fail.",
        "of the limit of an instance",
        FULL,
        SUSTAINED,
        True,
        (
            Source(("process_open_fds", "process_max_fds"), "{0} / ({1} > 0)"),
            Source(("process_files_open_files", "process_files_max_files"), "{0} / ({1} > 0)"),
        ),
    ),
    Resource(
        "ThreadsExhausted",
        "threads run out",
        "{{ $value | humanizePercentage }} of the threads that a container may have are there; soon it can "
        "start none.",
        "of the limit of a container",
        FULL,
        SUSTAINED,
        True,
        (
            Source(
                (f"container_threads {_CONTAINER}", f"container_threads_max {_CONTAINER}"),
                f"{_PER_CONTAINER.format('{0}')} / ({_PER_CONTAINER.format('{1}')} > 0)",
            ),
        ),
    ),
    Resource(
        "DiskFull",
        "a disk is almost full",
        "{{ $value | humanizePercentage }} of a disk are used; at 100 % writing fails.",
        "of a disk",
        FULL,
        SUSTAINED,
        True,
        (
            Source(
                ("kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes"),
                "{0} / ({1} > 0)",
            ),
            Source(
                (f"container_fs_usage_bytes {_CONTAINER}", f"container_fs_limit_bytes {_CONTAINER}"),
                "{0} / ({1} > 0)",
            ),
            Source(
                (f"node_filesystem_avail_bytes {_DISK}", f"node_filesystem_size_bytes {_DISK}"),
                "1 - {0} / ({1} > 0)",
            ),
        ),
    ),
)
"""What is used against a limit that is known. Names: Prometheus client libraries, Micrometer, OpenTelemetry's
JVM and Kubernetes conventions, cAdvisor, kubelet, node exporter."""


def resources(watched: Watched) -> Iterator[tuple[Rule, ...]]:
    """Yield an alert per resource that is almost used up, of those that the service shows."""
    for one in RESOURCES:
        share = next((found for source in one.sources if (found := source.read(watched))), None)
        if share is None:
            continue
        yield (
            watched.alert(
                one.alert,
                f"max({share}) > {plain(one.limit)}",
                watched.urgent if one.urgent else "ticket",
                summary=one.summary,
                description=one.description,
                threshold=f"{plain(one.limit * 100)} % {one.of} (default)",
                hold=one.hold,
            ),
        )
