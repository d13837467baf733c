"""SLOs from Sloth's specifications, plain or as a Kubernetes manifest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from pydantic.alias_generators import to_camel

from release_watch.catalog.documents import Document
from release_watch.catalog.objectives.budgets import check_reachable, read_target, severities
from release_watch.catalog.objectives.directives import PREFIX, read_alert_labels, read_directives
from release_watch.catalog.objectives.events import Events, counted, ready_made
from release_watch.catalog.objectives.model import Slo
from release_watch.catalog.objectives.openslo import Read, valid
from release_watch.catalog.objectives.places import Findings, Place, gather
from release_watch.catalog.objectives.queries import Query, read_query
from release_watch.catalog.objectives.sloth_schema import (
    API_VERSION,
    KIND,
    VERSION,
    WINDOW_DAYS,
    Alert,
    Alerting,
    Manifest,
    Objective,
    Specification,
)

_BOTH = {"page_alert": "page", "ticket_alert": "ticket"}


def is_sloth(data: Mapping[str, object]) -> bool:
    """Return whether a document is meant for Sloth."""
    return "version" in data or str(data.get("apiVersion")).startswith("sloth.")


def read_sloth(document: Document, findings: Findings) -> list[Read]:
    """Return the SLOs of a specification; what is wrong is added."""
    place, data, camel = Place(document), document.data, "apiVersion" in document.data
    if camel:
        manifest = findings.read(place, Manifest, data)
        if manifest is None:
            return []
        if (manifest.api_version, manifest.kind) != (API_VERSION, KIND):
            remedy = f"must be {API_VERSION} with kind: {KIND}"
            findings.refuse(place.at("apiVersion"), f"{manifest.api_version} {manifest.kind}", remedy)
            return []
        place, data = place.at("spec"), manifest.spec
    elif data["version"] != VERSION:
        findings.refuse(place.at("version"), data["version"], f"must be {VERSION}")
        return []
    specification = findings.read(place, Specification, data, camel=camel)
    return _Reading(place, specification, camel, findings).slos() if specification else []


class _Wishes(NamedTuple):
    labels: dict[str, str]
    annotations: dict[str, str]
    page: bool
    ticket: bool
    group_by: tuple[str, ...]


class _Reading:
    """Reads one specification."""

    def __init__(self, place: Place, spec: Specification, camel: bool, findings: Findings) -> None:
        self._place, self._spec, self._camel, self._findings = place, spec, camel, findings
        self._labels = read_alert_labels(place.at("labels"), spec.labels or {}, findings)
        if spec.slo_plugins is not None:
            self._warn_of_plugins(place.at(self._key("slo_plugins")))

    def slos(self) -> list[Read]:
        """Return its SLOs."""
        found = []
        for index, written in enumerate(self._spec.slos):
            place = self._place.at("slos", index)
            objective = self._findings.read(place, Objective, written, camel=self._camel)
            if objective and (slo := self._slo(place, objective)):
                found.append(Read(slo, place.at("name"), self._place.at("service")))
        return found

    def _slo(self, place: Place, objective: Objective) -> Slo | None:
        attempt = self._findings.attempt
        if objective.plugins is not None:
            self._warn_of_plugins(place.at("plugins"))
        name = attempt(self._name, place.at("name"), objective.name)
        spot = place.at("objective")
        target = attempt(read_target, spot, objective.objective, percent=True)
        wishes = self._wishes(place, objective)
        wanted = severities(page=wishes.page, ticket=wishes.ticket)
        sound = target and attempt(
            check_reachable, spot, f"{objective.objective} %", target, WINDOW_DAYS, wanted
        )
        events = attempt(self._events, place.at("sli"), objective, wishes.group_by)
        if name is None or target is None or sound is None or events is None:
            return None
        return Slo(
            name=name,
            service=self._spec.service,
            description=objective.description.strip(),
            objective=target,
            window_days=WINDOW_DAYS,
            source=place.at("name").where,
            **wishes._asdict(),
            **events._asdict(),
        )

    def _name(self, place: Place, written: str) -> str:
        """Return service and name, by which recorded series and alerts are told apart, as Sloth's ids are."""
        service = self._spec.service
        name = valid(place, written)
        return name if name.startswith(f"{service}-") else f"{service}-{name}"

    def _events(self, place: Place, objective: Objective, group_by: tuple[str, ...]) -> Events:
        sli = objective.sli
        given = [name for name in ("events", "raw", "plugin") if getattr(sli, name) is not None]
        if len(given) != 1:
            raise place.refusal(given or None, "give exactly one of events and raw")
        if sli.events:
            where = place.at("events")
            bad, total = gather(
                partial(self._query, where, "error_query", sli.events.error_query),
                partial(self._query, where, "total_query", sli.events.total_query),
            )
            return counted(None, bad, total, group_by)
        if sli.raw:
            ratio = self._query(place.at("raw"), "error_ratio_query", sli.raw.error_ratio_query)
            return ready_made(ratio, of_good=False, group_by=group_by)
        remedy = "plugins of Sloth are Go programs and are not run; write the queries that it makes as events"
        raise place.at("plugin").refusal("plugin", remedy)

    def _query(self, place: Place, field: str, value: object) -> Query:
        return read_query(place.at(self._key(field)), value)

    def _wishes(self, place: Place, objective: Objective) -> _Wishes:
        """Return what the alerts of an SLO shall be like."""
        where, alerting = place.at("alerting"), objective.alerting or Alerting()
        annotations = alerting.annotations or {}
        directives = read_directives([(where.at("annotations"), annotations)], self._findings)
        labels = {
            **self._labels,
            **read_alert_labels(place.at("labels"), objective.labels or {}, self._findings),
            **read_alert_labels(where.at("labels"), alerting.labels or {}, self._findings),
        }
        alerts = {key: getattr(alerting, key) or Alert() for key in _BOTH}
        for key, alert in alerts.items():
            self._warn_of_its_own(where.at(self._key(key)), alert, _BOTH[key])
        plain = {key: text for key, text in annotations.items() if not key.startswith(PREFIX)}
        page, ticket = (not alert.disable for alert in alerts.values())
        return _Wishes(
            labels=labels,
            annotations={**plain, **directives.annotations},
            page=page if directives.page is None else directives.page,
            ticket=ticket if directives.ticket is None else directives.ticket,
            group_by=directives.group_by,
        )

    def _warn_of_its_own(self, place: Place, alert: Alert, severity: str) -> None:
        """Warn of what one of the two alerts would have alone."""
        if alert.disable:
            return
        words = f"not used: the alert has the label severity: {severity}; let Alertmanager route by that"
        for field, texts in (("labels", alert.labels), ("annotations", alert.annotations)):
            for key, value in (texts or {}).items():
                self._findings.warn(place.at(field, key), value, words)

    def _warn_of_plugins(self, place: Place) -> None:
        self._findings.warn(place, "plugins", "not used: plugins of Sloth are Go programs and are not run")

    def _key(self, field: str) -> str:
        return to_camel(field) if self._camel else field
