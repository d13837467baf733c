"""What is live otherwise than this release has just activated it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from release_watch.clock import now
from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from release_watch.assurance.drift import DriftReport
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.assurance.scorecard import DriftCount

DRIFT = "records/drift.json"


def count_drift(run: ProtocolRun) -> DriftCount | None:
    """Keep what drifted since the activation, and return how much; None where that is not known.

    A scorecard is not worth failing for: the nightly run looks again, and has people act.
    """
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.assurance.scorecard import DriftCount

    watched = ActiveReleases(artifact_root()).readable(run.release.environment)
    entry = next((one for one in watched.active if one.release.release_id == run.release.release_id), None)
    if entry is None:
        log.info("Drift is not looked for: the release is not under watch")
        return None
    try:
        report = drift_now(run, entry)
    except (ReleaseWatchError, ValueError) as error:
        log.warning("Drift is not known: %s", error)
        return None
    run.store.write_json(DRIFT, report)
    for drift in report.drifts:
        log.warning("Drift: %s", drift.line)
    return DriftCount.of(report.drifts, DRIFT)


def drift_now(run: ProtocolRun, entry: ActiveRelease) -> DriftReport:
    """Return what a registered release activated and is live otherwise now.

    Raises:
        ReleaseWatchError: if what it activated cannot be read; a server that is away is in the report.
    """
    from release_watch.assurance.drift import DriftReport, drift_of
    from release_watch.assurance.drift.activated import drills_of, expected_of, target_where_known
    from release_watch.assurance.drift.kept_boards import kept_boards
    from release_watch.assurance.drift.live import read_live
    from release_watch.assurance.drift.since import carried

    at = now()
    expected = expected_of(
        entry,
        run.config,
        target=target_where_known(run.backends),
        drills=drills_of(run.store),
        models=kept_boards(run.store, entry.dashboards),
    )
    live = read_live(run.backends, at, dashboards={board.uid for board in entry.dashboards})
    return DriftReport.of(expected, carried(drift_of(expected, live), {}, at), at)
