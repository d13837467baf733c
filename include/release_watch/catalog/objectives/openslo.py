"""SLOs from OpenSLO v1 documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple, cast, get_args

from release_watch.catalog.documents import Document
from release_watch.catalog.objectives.alerting import Wanted, read_policies
from release_watch.catalog.objectives.budgets import (
    arms_of,
    check_reachable,
    read_slice,
    read_target,
    read_window_days,
    severities,
)
from release_watch.catalog.objectives.directives import read_alert_labels, read_directives
from release_watch.catalog.objectives.events import Events
from release_watch.catalog.objectives.indicators import Threshold, read_events, read_indicator
from release_watch.catalog.objectives.model import Budgeting, Slo
from release_watch.catalog.objectives.openslo_schema import (
    DataSourceSpec,
    Objective,
    ServiceSpec,
    SloSpec,
    TimeWindow,
    valid_name,
)
from release_watch.catalog.objectives.places import Findings, Place
from release_watch.catalog.objectives.registry import Entry, Registry
from release_watch.errors import InvalidInputError
from release_watch.slo.windows import BurnWindow

_UNSAFE = re.compile(r"[^a-z0-9]+")
_ROLLING = "[{duration: 30d, isRolling: true}]"


class Read(NamedTuple):
    """An SLO, and where its name and its service are written."""

    slo: Slo
    name_at: Place
    service_at: Place


class _Slices(NamedTuple):
    length: timedelta | None = None
    target: Decimal | None = None


def read_openslo(documents: Sequence[Document], findings: Findings) -> list[Read]:
    """Return the SLOs of OpenSLO documents, which may refer to each other; what is wrong is added."""
    registry = Registry(documents, findings)
    found = [
        read
        for entry in registry.all(SloSpec)
        if isinstance(entry.spec, SloSpec)
        for read in _Reading(entry, entry.spec, registry, findings).slos()
    ]
    _warn(registry, found, findings)
    return found


def _warn(registry: Registry, found: Sequence[Read], findings: Findings) -> None:
    services = sorted(entry.name for entry in registry.all(ServiceSpec))
    for read in found:
        if services and read.slo.service not in services:
            words = f"is no Service of this folder, which has {', '.join(services)}"
            findings.warn(read.service_at, read.slo.service, words)
    for entry in registry.all(DataSourceSpec):
        if isinstance(entry.spec, DataSourceSpec) and entry.spec.connection_details:
            words = "not used: the Airflow connection of the service's metrics says how to reach the server"
            findings.warn(entry.place.at("spec", "connectionDetails"), "not shown", words)
    registry.warn_of_unused()


class _Reading:
    """Reads one SLO document."""

    def __init__(self, entry: Entry, spec: SloSpec, registry: Registry, findings: Findings) -> None:
        self._entry, self._spec, self._registry, self._findings = entry, spec, registry, findings
        self._place = entry.place.at("spec")
        metadata = entry.place.at("metadata")
        labels = _flat(entry.metadata.labels) if entry.metadata and entry.metadata.labels else {}
        annotations = entry.metadata.annotations if entry.metadata else None
        written = [(metadata.at("labels"), labels), (metadata.at("annotations"), annotations or {})]
        self._directives = read_directives(written, findings)
        self._labels = read_alert_labels(metadata.at("labels"), labels, findings)
        self._indicator = findings.attempt(read_indicator, spec, self._place, registry)
        self._days = findings.attempt(self._window_days)
        self._method = findings.attempt(self._budgeting)
        self._objectives = [
            findings.read(self._place.at("objectives", index), Objective, one)
            for index, one in enumerate(spec.objectives)
        ]
        self._wanted = self._policies()
        page, ticket = self._directives.page, self._directives.ticket
        self._page = self._wanted.page if page is None else page
        self._ticket = self._wanted.ticket if ticket is None else ticket

    def slos(self) -> list[Read]:
        """Return an SLO per objective."""
        found = []
        several = len(self._objectives) > 1
        for index, (objective, name) in enumerate(zip(self._objectives, self._names(), strict=True)):
            place = self._place.at("objectives", index)
            name_at = place if several else self._entry.place.at("metadata", "name")
            if objective and (slo := self._slo(place, objective, name, name_at)):
                found.append(Read(slo, name_at, self._place.at("service")))
        return found

    def _slo(self, place: Place, objective: Objective, name: str | None, name_at: Place) -> Slo | None:
        attempt = self._findings.attempt
        target = attempt(_target, place, objective)
        reachable = attempt(self._reachable, place, objective, target)
        slices = attempt(self._slices, place, objective)
        events = attempt(self._events, place, objective)
        sound = name is not None and attempt(valid, name_at, name) is not None
        if target is None or self._days is None or self._method is None or name is None or not sound:
            return None
        if reachable is None or slices is None or events is None:
            return None
        directives, wanted = self._directives, self._wanted
        return Slo(
            name=name,
            service=self._spec.service,
            description=(self._spec.description or "").strip(),
            objective=target,
            window_days=self._days,
            budgeting=self._method,
            slice=slices.length,
            slice_target=slices.target,
            group_by=directives.group_by,
            page=self._page,
            ticket=self._ticket,
            labels=self._labels,
            annotations={**wanted.annotations, **directives.annotations},
            source=name_at.where,
            **events._asdict(),
        )

    def _window_days(self) -> int:
        place, windows = self._place.at("timeWindow"), self._spec.time_window
        if not windows:
            raise place.refusal(None, f"give exactly one window: {_ROLLING}")
        window = place.at(0).read(TimeWindow, windows[0])
        if window.calendar is not None:
            remedy = (
                f"a calendar window starts anew with a full budget, so it is not watched; write {_ROLLING}"
            )
            raise place.at(0, "calendar").refusal("calendar", remedy)
        if window.is_rolling is False:
            raise place.at(0, "isRolling").refusal(False, f"must be true: {_ROLLING}")
        return read_window_days(place.at(0, "duration"), window.duration)

    def _reachable(self, place: Place, objective: Objective, target: Decimal | None) -> Sequence[BurnWindow]:
        if target is None or self._days is None:
            raise InvalidInputError([])  # said already
        wanted = severities(page=self._page, ticket=self._ticket)
        field, written = ("target", objective.target)
        if written is None:
            field, written = ("targetPercent", objective.target_percent)
        return check_reachable(place.at(field), str(written), target, self._days, wanted)

    def _policies(self) -> Wanted:
        policies, arms = self._spec.alert_policies or (), arms_of(self._days) if self._days else ()
        return read_policies(self._place.at("alertPolicies"), policies, arms, self._registry, self._findings)

    def _budgeting(self) -> Budgeting:
        method = self._spec.budgeting_method
        for known in get_args(Budgeting):
            if method == known:
                return cast(Budgeting, known)
        raise self._place.at("budgetingMethod").refusal(method, f"must be {' or '.join(get_args(Budgeting))}")

    def _slices(self, place: Place, objective: Objective) -> _Slices:
        window, share = objective.time_slice_window, objective.time_slice_target
        method = self._method
        if method is None:
            raise InvalidInputError([])  # said already
        if method == "Occurrences":
            for name, value in (("timeSliceWindow", window), ("timeSliceTarget", share)):
                if value is not None:
                    raise place.at(name).refusal(str(value), "belongs to Timeslices; leave it out")
            return _Slices()
        if window is None:
            raise place.at("timeSliceWindow").refusal(
                None, f"{method} needs the length of a slice, such as 5m"
            )
        length = read_slice(place.at("timeSliceWindow"), window)
        if method == "RatioTimeslices":
            if share is not None:
                remedy = "belongs to Timeslices: RatioTimeslices takes the mean of all slices; leave it out"
                raise place.at("timeSliceTarget").refusal(str(share), remedy)
            return _Slices(length)
        if share is None or not 0 < share <= 1:
            remedy = "say what share of its events makes a slice good: above 0, at most 1, such as 0.95"
            raise place.at("timeSliceTarget").refusal(None if share is None else str(share), remedy)
        return _Slices(length, share)

    def _events(self, place: Place, objective: Objective) -> Events:
        composite = {
            "indicator": objective.indicator,
            "indicatorRef": objective.indicator_ref,
            "compositeWeight": objective.composite_weight,
        }
        for name, value in composite.items():
            if value is not None:
                remedy = "composite SLOs are not watched as one; write an SLO for each indicator"
                raise place.at(name).refusal(name, remedy)
        if self._indicator is None:
            raise InvalidInputError([])  # said already
        if not isinstance(self._indicator, Threshold):
            for name, given in (("op", objective.op), ("value", objective.value)):
                if given is not None:
                    words = "not used: it belongs to a thresholdMetric, and this is a ratio"
                    self._findings.warn(place.at(name), str(given), words)
        return read_events(self._indicator, place, objective, self._directives)

    def _names(self) -> list[str | None]:
        """Return a name per objective: the SLO's own, and what tells several objectives apart."""
        base, objectives = self._entry.name, [one for one in self._objectives if one]
        if len(self._objectives) == 1:
            return [base]
        if len(objectives) < len(self._objectives):
            return [None for _ in self._objectives]  # one cannot be read, which is said already
        titles = [_slug(one.display_name or "") for one in objectives]
        shares = [_slug(f"{_percent(one):f}") for one in objectives]
        for endings in (titles, shares):
            if all(endings) and len(set(endings)) == len(endings):
                return [f"{base}-{ending}" for ending in endings]
        remedy = "several objectives need names: give each a displayName of its own"
        self._findings.refuse(self._place.at("objectives"), [one.display_name for one in objectives], remedy)
        return [None for _ in objectives]


def valid(place: Place, name: str) -> str:
    """Return the name of an SLO as it is.

    Raises:
        InvalidInputError: if it does not follow RFC 1123.
    """
    try:
        return valid_name(name)
    except ValueError as error:
        raise place.refusal(name, str(error)) from None


def _target(place: Place, objective: Objective) -> Decimal:
    share, percent = objective.target, objective.target_percent
    if share is not None and percent is None:
        return read_target(place.at("target"), share, percent=False)
    if percent is not None and share is None:
        return read_target(place.at("targetPercent"), percent, percent=True)
    given = None if share is None else f"{share} and {percent}"
    raise place.refusal(given, "give either target (0.999) or targetPercent (99.9)")


def _percent(objective: Objective) -> Decimal:
    if objective.target is not None:
        return (objective.target * 100).normalize()
    return (objective.target_percent or Decimal(0)).normalize()


def _slug(text: str) -> str:
    return _UNSAFE.sub("-", text.lower()).strip("-")


def _flat(labels: Mapping[str, str | list[str]]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else ",".join(value) for key, value in labels.items()}
