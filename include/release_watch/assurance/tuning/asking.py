"""What ``tune`` was asked for: every option checked, and all that is wrong with them said at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from release_watch.artifacts.store import PathLike
from release_watch.assurance.drift.command import Connect
from release_watch.assurance.quality.incidents_csv import read_incidents
from release_watch.assurance.registry import ActiveRelease, ActiveReleases
from release_watch.assurance.tuning.choosing import Chosen, alerts_of
from release_watch.catalog.config import Config
from release_watch.catalog.nearest import Known
from release_watch.clock import parse_duration
from release_watch.errors import InvalidInputError
from release_watch.telemetry.backends import Backends

LONGEST = timedelta(days=3650)


class OwnedAlert(NamedTuple):
    """An alert in force, and the release under watch that answers for it."""

    release_id: str
    chosen: Chosen


class Asked(NamedTuple):
    """What is to be replayed over which window. ``named``: by a person, so that it is tried in any case.

    ``alerts`` are all in force that were not ruled out by name, ``services`` theirs, ``rules`` the texts of
    the rule files of their releases.
    """

    environment: str
    window: tuple[datetime, datetime]
    alerts: tuple[OwnedAlert, ...]
    named: bool
    incidents: Path | None
    backends: Backends
    root: PathLike
    rules: tuple[str, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """The services of the alerts, sorted."""
        return tuple(sorted({one.chosen.rule.service or "" for one in self.alerts}))

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases that answer for the alerts."""
        return tuple(dict.fromkeys(one.release_id for one in self.alerts))


def asked(options: argparse.Namespace, config: Config, connect: Connect, at: datetime) -> Asked:
    """Return what the options ask for, now being ``at``.

    Raises:
        InvalidInputError: with every option that is wrong, its value, and what would be right.
        ReleaseWatchError: if the environment's connections are not there.
    """
    problems: list[str] = []
    window = _window(options, at, problems)
    problems += _of_services(options.service, config)
    problems += _of_files(options, config)
    if options.environment not in config.catalog.environments:
        known = Known(config.catalog.environments).hint(options.environment)
        problems.append(f"--environment: {options.environment!r} is not in the catalogue{known}")
        raise InvalidInputError(problems)
    backends, root = connect(options.environment)
    entries = ActiveReleases(root).all(options.environment)
    alerts = _in_force(entries, problems)
    problems += _not_watched(options, config, entries)
    problems += _unknown_alerts(options, alerts)
    if entries and not alerts and not problems:
        problems.append(f"--environment: {options.environment!r}: the releases under watch have no alerts")
    if problems:
        raise InvalidInputError(problems)
    picked = tuple(one for one in alerts if _is_named(options, one))
    releases = {one.release_id for one in picked}
    return Asked(
        environment=options.environment,
        window=window,
        alerts=picked,
        named=bool(options.service or options.alert),
        incidents=options.incidents,
        backends=backends,
        root=root,
        rules=tuple(t for e in entries if e.release.release_id in releases for t in e.rules.values()),
    )


def _window(options: argparse.Namespace, at: datetime, problems: list[str]) -> tuple[datetime, datetime]:
    length, end = timedelta(0), at
    try:
        length = parse_duration(options.since)
        if not timedelta(0) < length <= LONGEST:
            problems.append(f"--since: {options.since!r} is not between nothing and P{LONGEST.days}D")
    except ValueError:
        problems.append(f"--since: {options.since!r} is not an ISO 8601 duration such as P30D")
    try:
        end = datetime.fromisoformat(options.until) if options.until else at
    except ValueError:
        problems.append(f"--until: {options.until!r} is no ISO 8601 time such as 2026-11-22T12:00Z")
    if end.tzinfo is None:
        problems.append(f"--until: {options.until!r} has no offset; write it such as 2026-11-22T12:00Z")
    elif end > at:
        problems.append(f"--until: {options.until!r} is not over yet")
    if problems:
        return at, at
    return (end - length).astimezone(UTC), end.astimezone(UTC)


def _of_services(services: Sequence[str], config: Config) -> list[str]:
    known = Known(one.name for one in config.catalog.services)
    return [
        f"--service: {name!r} is not in the catalogue{known.hint(name)}"
        for name in services
        if name not in known
    ]


def _of_files(options: argparse.Namespace, config: Config) -> Iterator[str]:
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        yield f"--out: {options.out} is no folder; name another"
    if options.incidents is not None:
        try:
            read_incidents(options.incidents, {one.name for one in config.catalog.services})
        except InvalidInputError as error:
            yield from (f"--incidents: {problem}" for problem in error.problems)


def _in_force(entries: Sequence[ActiveRelease], problems: list[str]) -> list[OwnedAlert]:
    """Return the alerts of each release, as far as no later one has taken their service over."""
    found: list[OwnedAlert] = []
    for entry in entries:
        for name, text in entry.rules.items():
            try:
                alerts = [one for one in alerts_of(text) if one.rule.service in entry.services]
            except InvalidInputError as error:
                which = f"release {entry.release.release_id}: rule set {name}"
                problems += [f"{which}: {problem}; activate it again" for problem in error.problems]
            else:
                found += [OwnedAlert(entry.release.release_id, one) for one in alerts]
    return found


def _not_watched(
    options: argparse.Namespace, config: Config, entries: Sequence[ActiveRelease]
) -> Iterator[str]:
    if not entries:
        yield f"--environment: {options.environment!r}: no release is under watch, so no alert is in force"
        return
    watched = Known(service for entry in entries for service in entry.services)
    for name in options.service:
        if name not in watched and any(one.name == name for one in config.catalog.services):
            where = options.environment
            yield f"--service: {name!r} is under watch by no release in {where}{watched.hint(name)}"


def _unknown_alerts(options: argparse.Namespace, alerts: Sequence[OwnedAlert]) -> Iterator[str]:
    anywhere = Known(one.chosen.rule.name for one in alerts)
    there = Known(one.chosen.rule.name for one in alerts if _is_of(options.service, one))
    for name in options.alert if alerts else ():
        if name not in anywhere:
            yield f"--alert: {name!r} is no alert in force{anywhere.hint(name)}"
        elif name not in there:
            yield f"--alert: {name!r} is no alert of {', '.join(options.service)}{there.hint(name)}"


def _is_named(options: argparse.Namespace, one: OwnedAlert) -> bool:
    return _is_of(options.service, one) and (not options.alert or one.chosen.rule.name in options.alert)


def _is_of(services: Sequence[str], one: OwnedAlert) -> bool:
    return not services or one.chosen.rule.service in services
