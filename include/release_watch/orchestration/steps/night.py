"""The night: every active release is checked, scorecards are refreshed, the backlog is brought up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.orchestration.run import log
from release_watch.orchestration.storage import artifact_root, store_for

if TYPE_CHECKING:
    from release_watch.artifacts.store import ArtifactStore
    from release_watch.assurance.alert_path import Drilled
    from release_watch.assurance.backlog import Entry
    from release_watch.assurance.drift.of_the_night import Kept
    from release_watch.assurance.nightly import NightReport, ReleaseNight
    from release_watch.assurance.reading import NightReading
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.assurance.scorecard import DriftCount, Earlier, Sources
    from release_watch.catalog.config import Config
    from release_watch.orchestration.hooks.backends import AirflowBackends

FOLDER = "nightly"
REPORT = "assurance-report.json"
Model = TypeVar("Model", bound=BaseModel)
GRACE = timedelta(hours=6)
"""A night that is late by less, because workers were busy, is made up for."""
LONGEST = timedelta(days=31)
"""So far back alerts are held against incidents after nights that were missed."""
NIGHTS_COMPARED = 7
"""In so many nights before, that of a release's last scorecard is looked for."""
_NIGHT = re.compile(r"\d{4}-\d\d-\d\d")


class NightTerms(NamedTuple):
    """When a night is, since when it answers, and the report before it."""

    at: datetime
    since: datetime
    last: NightReport | None


class EnvironmentNight(NamedTuple):
    """The night of one environment, and what it read."""

    environment: str
    active: Sequence[ActiveRelease]
    report: NightReport
    reading: NightReading
    drilled: Drilled | None
    backends: AirflowBackends


def night_store(day: datetime) -> ArtifactStore:
    """Return the store of a night, the same for every try of one run."""
    from release_watch.artifacts.store import ArtifactStore

    return ArtifactStore(artifact_root(), FOLDER, f"{day:%Y-%m-%d}")


def check_active_releases(store: ArtifactStore, moment: datetime) -> NightReport:
    """Check all releases of all environments, write the report, then scorecards and backlogs."""
    from release_watch.assurance.nightly import NightReport, broken, unreadable
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.catalog.config import load_config

    config, watched = load_config(), ActiveReleases(artifact_root()).readable()
    last = last_report(store)
    terms = NightTerms(moment, covers_since(last, moment), last)
    unread, nights = [unreadable(one) for one in watched.damaged], []
    lost: list[ReleaseNight] = []
    for name, group in groupby(sorted(watched.active, key=_environment), key=_environment):
        active = list(group)
        try:
            nights.append(_night(name, active, config, terms))
        except Exception as error:  # the night of one environment that breaks must not hide the others
            log.exception("The night of %s broke", name)
            lost += [broken(entry, error) for entry in active]
    report = NightReport(
        generated_at=moment,
        covers_since=terms.since,
        releases=(*unread, *lost, *(release for night in nights for release in night.report.releases)),
        drills=tuple(results for night in nights for results in night.report.drills),
    )
    store.write_json(REPORT, report)
    for night in nights:
        _after(store, night, [one for one in unread if one.environment == night.environment], config)
    return report


def _environment(entry: ActiveRelease) -> str:
    return entry.release.environment


def _after(
    store: ArtifactStore, night: EnvironmentNight, unread: Sequence[ReleaseNight], config: Config
) -> None:
    """Refresh what people read; what fails here is told and takes nothing from the report."""
    try:
        amend_backlog(night, unread, config)
    except ReleaseWatchError as error:
        log.error("The backlog of %s is not up to date: %s", night.environment, error)
    except Exception:  # whatever it is: the report stands, and the scorecards are still to be made
        log.exception("The backlog of %s is not up to date", night.environment)
    try:
        refresh_scorecards(store, night, config)
    except ReleaseWatchError as error:
        log.error("The scorecards of %s are not up to date: %s", night.environment, error)
    except Exception:  # the other environments are still to be told of
        log.exception("The scorecards of %s are not up to date", night.environment)


def covers_since(last: NightReport | None, moment: datetime) -> datetime:
    """Return since when this night answers: the last report, a day at least and a month at most."""
    from release_watch.assurance.reading import LOOK_BACK

    reported = last.generated_at if last else moment
    return max(min(reported, moment - LOOK_BACK), moment - LONGEST)


def earlier_nights(store: ArtifactStore) -> Iterator[ArtifactStore]:
    """Yield the stores of the nights before that of ``store`` that have a report, newest first."""
    from release_watch.artifacts.store import ArtifactStore

    folder: Any = artifact_root() / "monitoring" / FOLDER
    if not folder.exists():
        return
    names = (str(night.name) for night in folder.iterdir())
    nights = {name for name in names if _NIGHT.fullmatch(name) and name < store.release_id}
    for name in sorted(nights, reverse=True):
        if (folder / name / REPORT).exists():
            yield ArtifactStore(artifact_root(), FOLDER, name)


def last_report(store: ArtifactStore) -> NightReport | None:
    """Return the newest report before the night of ``store`` that can be read.

    One that cannot, as another version wrote it, must not stop this night: more is looked at again instead.
    """
    from release_watch.assurance.nightly import NightReport

    for earlier in earlier_nights(store):
        try:
            return earlier.read_model(REPORT, NightReport)
        except InvalidInputError as error:
            log.warning("The report of the night of %s is passed over: %s", earlier.release_id, error)
    return None


def kept_of(last: NightReport | None, environment: str) -> Kept:
    """Return what releases and the last night of an environment keep beside the registry."""
    from release_watch.assurance.drift.activated import drills_of
    from release_watch.assurance.drift.kept_boards import kept_boards
    from release_watch.assurance.drift.of_the_night import Kept

    seen = {
        night.release_id: {drift.key: drift.since for drift in night.drift if drift.since}
        for night in (last.releases if last else ())
        if night.environment == environment
    }
    return Kept(
        drills=lambda entry: drills_of(store_for(entry.release)),
        models=lambda entry: kept_boards(store_for(entry.release), entry.dashboards),
        last=seen,
    )


def _night(
    environment: str, active: Sequence[ActiveRelease], config: Config, terms: NightTerms
) -> EnvironmentNight:
    from release_watch.assurance.nightly import night
    from release_watch.assurance.reading import NightReading
    from release_watch.assurance.tuning.kept import KeptTunings
    from release_watch.orchestration.hooks.backends import AirflowBackends

    backends = AirflowBackends(environment)
    drilled = drill_alert_paths(active, environment, backends, config, terms.at)
    tunings = KeptTunings(artifact_root(), environment).in_force()
    kept = kept_of(terms.last, environment)
    reading = NightReading(active, backends, config, terms.at, terms.since, kept, tunings)
    report = night(active, reading, drilled)
    return EnvironmentNight(environment, active, report, reading, drilled, backends)


def drill_alert_paths(
    active: Sequence[ActiveRelease],
    environment: str,
    backends: AirflowBackends,
    config: Config,
    moment: datetime,
) -> Drilled | None:
    """Drill one alert path of each service, or log why that cannot be done and return None."""
    from release_watch.assurance.alert_path import DrillRecords, drill_in_turn
    from release_watch.drills.history import DrillHistory
    from release_watch.drills.timeline import timeline_text
    from release_watch.orchestration.steps.drill_answers import receipts

    try:
        receivers = backends.receivers(receipts(), config.policies.drill.receivers)
        records = DrillRecords(receivers, DrillHistory.under(artifact_root(), environment))
        drilled = drill_in_turn(active, backends, config, moment, records)
    except ReleaseWatchError as error:
        log.error("No alert path of %s could be drilled: %s", environment, error)
        return None
    if drilled:
        log.info("%s", timeline_text(drilled.results))
    return drilled


def refresh_scorecards(store: ArtifactStore, night: EnvironmentNight, config: Config) -> None:
    """Write the scorecard of every release as of tonight, beside that of the last night that had one."""
    from release_watch.assurance.scorecard import scorecard, scorecard_markdown, slo_lines

    reading = night.reading
    environment, trend = night.environment, reading.budget_trend()
    slos = slo_lines(config, reading.services, night.backends, reading.at, environment, trend)
    open_items = _open_items(environment)
    before = list(islice(earlier_nights(store), NIGHTS_COMPARED))
    nights = {found.release_id: found for found in night.report.releases}
    for entry in night.active:
        release = entry.release.model_copy(update={"services": entry.services})
        name = f"scorecards/{environment}/{release.release_id}"
        try:
            sources = _sources(entry, night, open_items, nights.get(release.release_id))
            card = scorecard(release, config, sources, slos, reading.at)
            store.write_json(f"{name}.json", card)
            store.write_text(f"{name}.md", scorecard_markdown(card, _last_card(before, f"{name}.json")))
        except Exception:  # that of one release must not hide the others
            log.exception("No scorecard of %s in %s", release.release_id, environment)
    log.info("%d scorecards: %s", len(night.active), store.uri_of(f"scorecards/{environment}"))


def amend_backlog(night: EnvironmentNight, unread: Sequence[ReleaseNight], config: Config) -> None:
    """Append what the night found to the backlog of the environment, close what is gone, file the rest.

    Of ``unread``, the other releases of the environment, nothing could be looked at.
    """
    from release_watch.assurance.backlog import LivingBacklog, Origin, amended
    from release_watch.assurance.backlog.of_the_night import night_items, night_scope
    from release_watch.response.tickets import tickets_of

    reading = night.reading
    report = night.report.model_copy(update={"releases": (*unread, *night.report.releases)})
    found = (
        report,
        reading.coverage.audit(),
        night.drilled.results if night.drilled else None,
        reading.history.correlation_or_none(),
    )
    living = LivingBacklog(artifact_root(), night.environment)
    origin = Origin(night.environment, f"night of {reading.at:%Y-%m-%d}")
    items = night_items(*found, config)
    now_so = amended(living.read(), items, origin, reading.at, scope=night_scope(*found))
    living.write(now_so.text)
    counts = len(now_so.added), len(now_so.closed), len(now_so.reopened)
    log.info("Improvement backlog: %d new, %d closed, %d back; %s", *counts, living.uri)
    try:
        tickets = tickets_of(night.backends.tickets(), config.policies.response.tickets)
        for reference in living.filed(tickets):
            log.info("Ticket %s", reference)
    except ReleaseWatchError as error:
        log.warning("The tickets are not in line with the backlog: %s", error)


def _open_items(environment: str) -> tuple[Entry, ...]:
    from release_watch.assurance.backlog import LivingBacklog, entries

    living = LivingBacklog(artifact_root(), environment).read()
    return tuple(entry for entry in entries(living or "") if entry.state == "open")


def _sources(
    entry: ActiveRelease, night: EnvironmentNight, open_items: Sequence[Entry], found: ReleaseNight | None
) -> Sources:
    from release_watch.artifacts.models import AlertTestResults, MonitoringResults
    from release_watch.assurance.scorecard import Sources

    return Sources(
        audit=night.reading.coverage.audit(entry.services),
        results=_artifact(entry, "alert-test-results.json", AlertTestResults),
        monitoring=_artifact(entry, "monitoring-results.json", MonitoringResults),
        correlation=night.reading.history.correlation_or_none(entry.services),
        drift=drift_of_night(found),
        backlog=tuple(
            item.as_item() for item in open_items if item.fields.get("service", "") in ("", *entry.services)
        ),
    )


def drift_of_night(night: ReleaseNight | None) -> DriftCount | None:
    """Return what is live otherwise than a release activated it, as the night's checks counted it."""
    from release_watch.assurance.scorecard import DriftCount

    if night is None or not night.checks:
        return None
    return DriftCount.of(night.drift, REPORT)


def _artifact(entry: ActiveRelease, name: str, model: type[Model]) -> Model | None:
    """Return what the release's own run wrote, None if it cannot be read any more."""
    try:
        return store_for(entry.release).read_model(name, model)
    except (ReleaseWatchError, ValueError) as error:
        log.warning("The scorecard of %s lacks %s: %s", entry.release.release_id, name, error)
        return None


def _last_card(before: Sequence[ArtifactStore], name: str) -> list[Earlier]:
    from release_watch.assurance.scorecard import Earlier, Scorecard

    last = next((night for night in before if night.exists(name)), None)
    if last is None:
        return []
    try:
        return [Earlier(f"the night of {last.release_id}", last.read_model(name, Scorecard))]
    except InvalidInputError as error:
        log.warning("It is not compared with the night of %s: %s", last.release_id, error)
        return []
