"""``drift``: the drift of the releases under watch, printed for people or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from release_watch.artifacts.store import ArtifactStore, PathLike
from release_watch.assurance.drift.activated import drills_of, expected_of, target_where_known
from release_watch.assurance.drift.finding import drift_of, unlooked
from release_watch.assurance.drift.kept_boards import kept_boards
from release_watch.assurance.drift.live import Away, read_live
from release_watch.assurance.drift.model import Drift, DriftReport, Expected
from release_watch.assurance.drift.since import carried, seen
from release_watch.assurance.drift.table import drift_table
from release_watch.assurance.registry import ActiveRelease, ActiveReleases
from release_watch.catalog.config import Config, load_config
from release_watch.clock import now, rfc3339
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.files import write_whole
from release_watch.telemetry.backends import Backends

DESCRIPTION = """\
Say what is live in another meaning than it was activated in: rules, dashboards, alert routes, silences,
scraping, retention, on-call. Everything is read and nothing is changed; activating again takes an approval.
The servers are those of the environment's Airflow connections."""

_Seen = dict[str, dict[str, datetime]]


class Connected(NamedTuple):
    """What an environment is reached with: its servers, and where the registry and artifacts lie."""

    backends: Backends
    root: PathLike


Connect = Callable[[str], Connected]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--environment", required=True, metavar="NAME", help="for example production")
    parser.add_argument("--release", metavar="ID", help="only this release; all under watch by default")
    parser.add_argument(
        "--seen",
        type=Path,
        metavar="FILE",
        help="what was seen last time, so that it can be said since when; read, and written anew",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace, connect: Connect) -> bool:
    """Print the drift; returns whether there is none.

    Raises:
        InvalidInputError: if an option is wrong, or no such release is under watch.
        ReleaseWatchError: if the configuration cannot be read.
        OSError: if the file of ``--seen`` cannot be read or written.
    """
    config = load_config()
    if options.environment not in config.catalog.environments:
        known = ", ".join(config.catalog.environments)
        raise InvalidInputError(
            [f"--environment: {options.environment!r} is not in the catalogue; known are {known}"]
        )
    last = _read_seen(options.seen)
    backends, root = connect(options.environment)
    entries = _entries(ActiveReleases(root), options.environment, options.release)
    reports = _reports(entries, backends, root, config, last)
    fine = not any(report.drifts for report in reports)
    if options.json:
        content = {"fine": fine, "releases": [report.model_dump(mode="json") for report in reports]}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
    else:
        sys.stdout.write(drift_table(reports) + "\n")
    if options.seen:  # last: a full disk must not keep the drift from people
        _write_seen(options.seen, reports, last)
    return fine


def _entries(registry: ActiveReleases, environment: str, release: str | None) -> list[ActiveRelease]:
    found = registry.all(environment)
    wanted = [one for one in found if release in (None, one.release.release_id)]
    if not wanted:
        known = ", ".join(one.release.release_id for one in found) or "none"
        which = f"--release: {release!r}" if release else f"--environment: {environment!r}: no release"
        raise InvalidInputError([f"{which} is not under watch; known are {known}"])
    return wanted


def _reports(
    entries: Sequence[ActiveRelease],
    backends: Backends,
    root: PathLike,
    config: Config,
    last: Mapping[str, Mapping[str, datetime]],
) -> list[DriftReport]:
    at = now()
    target = target_where_known(backends)
    uids = {board.uid for entry in entries for board in entry.dashboards}
    live = read_live(backends, at, dashboards=uids)
    reports = []
    for entry in entries:
        release = entry.release
        try:
            store = ArtifactStore(root, release.environment, release.release_id)
            drills = drills_of(store)
            models = kept_boards(store, entry.dashboards)
            expected = expected_of(entry, config, target=target, drills=drills, models=models)
            found: tuple[Drift, ...] = drift_of(expected, live)
        except ReleaseWatchError as error:  # one release that cannot be read hides no other
            expected = Expected(release.release_id, release.environment, (), ())
            found = (unlooked("what was activated", Away(str(error))),)
        drifts = carried(found, last.get(release.release_id, {}), at)
        reports.append(DriftReport.of(expected, drifts, at))
    return reports


def _read_seen(path: Path | None) -> _Seen:
    if path is None or not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            release: {key: datetime.fromisoformat(at) for key, at in keys.items()}
            for release, keys in content.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        problem = f"--seen: {path} was not written by this command ({error}); remove it, or name another file"
        raise InvalidInputError([problem]) from error


def _write_seen(path: Path, reports: Sequence[DriftReport], last: _Seen) -> None:
    kept = {**last, **{one.release_id: seen(one.drifts, last.get(one.release_id)) for one in reports}}
    plain = {release: {key: rfc3339(at) for key, at in keys.items()} for release, keys in kept.items()}
    write_whole(path.absolute(), (json.dumps(plain, indent=2) + "\n").encode())
