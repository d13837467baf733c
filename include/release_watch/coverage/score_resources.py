"""The rules RES of the Instrumentation Score, from ``target_info`` and the resources of spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from release_watch.catalog.models import Service
from release_watch.coverage.batches import batches
from release_watch.coverage.questions import Question
from release_watch.coverage.score_attributes import LEVELS
from release_watch.coverage.score_rules import Answers, RuleAnswer, broken, met, of_release, untold
from release_watch.coverage.score_traces import Span
from release_watch.telemetry.backends import Backends

RESOURCE_RULES = ("RES-001", "RES-002", "RES-003", "RES-004", "RES-005")
_POD = ("k8s_pod_uid", "k8s_pod_name", "pod")


class TargetsSeen(NamedTuple):
    """The labels of each ``target_info`` of one service."""

    query: str
    targets: tuple[Mapping[str, str], ...]


class Resources(NamedTuple):
    """What the telemetry of one service says of where it comes from, and the queries that show it."""

    targets: Sequence[Mapping[str, str]]
    spans: Sequence[Span]
    query: str | None


def look_at_targets(
    services: Sequence[Service], backends: Backends, question: Question
) -> dict[str, TargetsSeen]:
    """Return the ``target_info`` of each service, from one query for all of them.

    Raises:
        BackendError: if the server does not answer, or refuses a query.
        NotConfiguredError: if its connection is not there.
    """
    metrics = backends.metrics(services[0])
    selectors = {s.name: s.signals.metrics.selector for s in services if s.signals.metrics}
    found: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for batch in batches(selectors):
        for sample in metrics.instant(f"target_info{{{batch.matchers}}}", question.at):
            for service in batch.services_of(sample.labels):
                if of_release(sample.labels, service, question.release):
                    found[service].append(sample.labels)
    return {
        name: TargetsSeen(f"target_info{{{selector}}}", tuple(found[name]))
        for name, selector in selectors.items()
    }


def resource_rules(seen: Resources) -> Answers:
    """Return the answers of the rules RES for one service."""
    if not seen.targets and not seen.spans:
        remedy = "send traces, or expose target_info, as OpenTelemetry's exporters do"
        return {
            rule: untold("nothing that names its resource", seen.query, remedy) for rule in RESOURCE_RULES
        }
    return {
        "RES-001": _instance_named(seen),
        "RES-002": _instance_unique(seen),
        "RES-003": _pod_named(seen),
        "RES-004": _right_level(seen),
        "RES-005": _service_named(seen),
    }


def _instance_named(seen: Resources) -> RuleAnswer:
    resources = _whole_resources(seen)
    if any(not resource.get("service_instance_id") for resource in resources):
        remedy = "set the resource attribute service.instance.id, for example to a UUID at each start"
        return broken("a resource without service.instance.id", seen.query, remedy)
    if not resources:
        return untold("Prometheus shows no resource as the service sent it", seen.query)
    return met(f"service.instance.id in all of {len(resources)} resources", seen.query)


def _instance_unique(seen: Resources) -> RuleAnswer:
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    ports: dict[str, set[str]] = defaultdict(set)
    for target in seen.targets:
        if name := target.get("service_instance_id"):
            places[name].add(_place(target))
            ports[name].add(target.get("instance", ""))
    if shared := [name for name, where in places.items() if len(where) > 1]:
        where = " and ".join(sorted(place for _, place in places[shared[0]]))
        remedy = (
            "give every process a service.instance.id of its own; a fixed one in the configuration is shared"
        )
        return broken(f"service.instance.id {shared[0]} on {where}", seen.query, remedy)
    if not places:
        return untold("no service.instance.id among the targets", seen.query)
    if any(len(found) > 1 for found in ports.values()):
        return untold("one service.instance.id on several ports of a machine", seen.query)
    return met(f"{len(places)} instances, each with an id of its own", seen.query)


def _pod_named(seen: Resources) -> RuleAnswer:
    resources = _whole_resources(seen)
    in_pods = [r for r in resources if any(key.startswith("k8s_") or key == "pod" for key in r)]
    if not in_pods:
        return untold("nothing says that it runs on Kubernetes", seen.query)
    if any(not resource.get("k8s_pod_uid") for resource in in_pods):
        remedy = "add k8s.pod.uid, with a resource detector or the collector's k8sattributes processor"
        return broken("a pod's resource without k8s.pod.uid", seen.query, remedy)
    return met(f"k8s.pod.uid in all of {len(in_pods)} resources", seen.query)


def _right_level(seen: Resources) -> RuleAnswer:
    told = [span for span in seen.spans if span.levels]
    wrong = _at("span", (r for r in [*(s.resource for s in told), *seen.targets])) or _at(
        "resource", (span.attributes for span in told)
    )
    if wrong:
        remedy = "say what a process is in its resource, and what it does in its spans"
        return broken(wrong, seen.query, remedy)
    if not told:
        return untold("no span in the sample whose server keeps resource and span apart", seen.query)
    return met(f"every known attribute of {len(told)} spans at its level", seen.query)


def _service_named(seen: Resources) -> RuleAnswer:
    named = [r for r in _whole_resources(seen) if r.get("service_name")]
    if named:
        return met(f"service.name in {len(named)} resources", seen.query)
    return untold("Prometheus shows no resource as the service sent it", seen.query)


def _whole_resources(seen: Resources) -> list[Mapping[str, str]]:
    """Return the resources of which every attribute is shown.

    Where OTLP is written into Prometheus, service.name and service.instance.id are its job and instance.
    """
    targets = [target for target in seen.targets if target.get("service_name")]
    by_content = {frozenset(span.resource.items()): span.resource for span in seen.spans}
    return [*targets, *by_content.values()]


def _place(target: Mapping[str, str]) -> tuple[str, str]:
    """Return what tells two logical resources apart: the pod where it is known, else the machine."""
    for label in _POD:
        if value := target.get(label):
            return label, value
    return "instance", target.get("instance", "").rpartition(":")[0] or target.get("instance", "")


def _at(level: str, bags: Iterable[Mapping[str, str]]) -> str | None:
    """Return words for an attribute that belongs at ``level`` and stands at the other one."""
    other = "span" if level == "resource" else "resource"
    for bag in bags:
        for key in sorted(bag):
            if LEVELS.get(key) == level:
                return f"{key} among the {other} attributes"
    return None
