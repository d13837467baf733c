"""Attribute keys of the OpenTelemetry semantic conventions, and at which level of OTLP each belongs.

The stable keys of https://opentelemetry.io/docs/specs/semconv/ (1.30), without those that either level may
have, such as ``server.address``; ``k8s.pod.label.<key>`` and the like stand for themselves only.
"""

from __future__ import annotations

import re


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


RESOURCE_KEYS = _keys(
    """
    container.id container.image.name container.image.repo_digests container.image.tags
    deployment.environment.name
    k8s.cluster.name k8s.cluster.uid k8s.container.name k8s.container.restart_count
    k8s.cronjob.name k8s.cronjob.uid k8s.daemonset.name k8s.daemonset.uid k8s.deployment.name
    k8s.deployment.uid k8s.job.name k8s.job.uid k8s.namespace.name k8s.node.name k8s.node.uid
    k8s.pod.name k8s.pod.uid k8s.replicaset.name k8s.replicaset.uid k8s.statefulset.name
    k8s.statefulset.uid
    service.instance.id service.name service.namespace service.version
    telemetry.distro.name telemetry.distro.version
    telemetry.sdk.language telemetry.sdk.name telemetry.sdk.version
    """
)
"""Belong to the resource, never to a span."""

SPAN_KEYS = _keys(
    """
    client.address client.port
    db.collection.name db.namespace db.operation.batch.size db.operation.name db.query.summary
    db.query.text db.response.status_code db.stored_procedure.name db.system.name
    error.type
    http.request.method http.request.method_original http.request.resend_count
    http.response.status_code http.route
    network.local.address network.local.port network.peer.address network.peer.port
    network.protocol.name network.protocol.version network.transport network.type
    url.fragment url.full url.path url.query url.scheme
    """
)
"""Belong to spans, logs or data points, never to the resource."""

_NEITHER = _keys(
    """
    code.column.number code.file.path code.function.name code.line.number code.stacktrace
    exception.escaped exception.message exception.stacktrace exception.type
    otel.event.name otel.scope.name otel.scope.version otel.status_code otel.status_description
    server.address server.port user_agent.original
    """
)


def plain(key: str) -> str:
    """Return a key as Prometheus writes it: ``service.name`` is ``service_name``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", key)


ATTRIBUTE_NAMES = {plain(key): key for key in RESOURCE_KEYS | SPAN_KEYS | _NEITHER}
"""Every key, by the name that Prometheus gives it."""

LEVELS = {plain(key): "resource" for key in RESOURCE_KEYS} | {plain(key): "span" for key in SPAN_KEYS}
"""The level at which a key belongs, by the name that Prometheus gives it."""
