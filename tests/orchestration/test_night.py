"""The night's steps: since when it answers, what is skipped, and what it leaves for people."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.backlog import LivingBacklog, Origin, amended, entries, improvement
from release_watch.assurance.drift import Drift
from release_watch.assurance.nightly import NightReport, ReleaseNight
from release_watch.assurance.registry import ActiveReleases
from release_watch.orchestration.phases import nightly
from release_watch.orchestration.steps import night
from release_watch.slo.rulefile import to_yaml
from release_watch.verdict import Decision, Verdict
from tests.assurance.fakes import release
from tests.assurance.test_nightly import group

TONIGHT = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", tmp_path.as_uri())
    return tmp_path


def store(days_ago: int = 0) -> ArtifactStore:
    return night.night_store(TONIGHT - timedelta(days=days_ago))


def reported(*days_ago: int) -> None:
    for days in days_ago:
        at = TONIGHT - timedelta(days=days)
        store(days).write_json(night.REPORT, NightReport(generated_at=at, releases=()))


@pytest.mark.parametrize(
    ("earlier", "days"),
    [((), 1), ((1,), 1), ((1, 5), 1), ((3, 9), 3), ((90,), 31)],
    ids=["first-night", "last-night", "each-night", "two-were-missed", "a-quarter-was-missed"],
)
def test_one_report_answers_for_all_nights_since_the_last(earlier: tuple[int, ...], days: int) -> None:
    reported(*earlier)
    assert night.covers_since(night.last_report(store()), TONIGHT) == TONIGHT - timedelta(days=days)


def test_a_report_of_the_same_night_is_not_an_earlier_one() -> None:
    reported(0, 2)
    assert [found.release_id for found in night.earlier_nights(store())] == ["2026-11-20"]


def context(run_after: datetime) -> Any:
    return {"dag_run": SimpleNamespace(run_after=run_after)}


@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=20), timedelta(hours=29)])
def test_a_night_that_is_not_over_is_run(late: timedelta) -> None:
    nightly.skip_if_over(context(TONIGHT), TONIGHT + late)


@pytest.mark.parametrize("late", [timedelta(hours=31), timedelta(days=30)])
def test_a_night_that_is_long_over_is_left_to_the_next(late: timedelta) -> None:
    with pytest.raises(AirflowSkipException, match="2026-11-23T02:15"):
        nightly.skip_if_over(context(TONIGHT), TONIGHT + late)


def test_without_an_active_release_there_is_a_report_all_the_same() -> None:
    report = night.check_active_releases(store(), TONIGHT)
    assert report.releases == ()
    assert store().read_model(night.REPORT, NightReport) == report


def under_watch(root: Path, release_id: str, *services: str) -> None:
    deployed = release(release_id, *services)
    rules = {release_id: to_yaml([group(services[0])])}
    ActiveReleases(root).register(deployed, artifacts_uri="file:///a", rules=rules, at=TONIGHT)


def test_a_service_that_left_the_catalogue_is_told_and_costs_no_scorecard(root: Path) -> None:
    under_watch(root, "rel-gone", "gone")
    report = night.check_active_releases(store(), TONIGHT)
    assert report.needs_person
    assert "gone" in report.lines[0]
    assert store().exists("scorecards/production/rel-gone.md")


def test_a_damaged_registration_is_red_and_hides_no_other(root: Path) -> None:
    under_watch(root, "rel-1", "payments")
    folder = root / "registry" / "monitoring" / "staging" / "rel-2"
    folder.mkdir(parents=True)
    (folder / "registration.json").write_text("{}")
    damaged, whole = night.check_active_releases(store(), TONIGHT).releases
    assert damaged.needs_person
    assert "rel-2 (staging; services not known): a person must act" in damaged.line
    assert "registration.json: release: Field required; restore the file" in damaged.line
    assert whole.release_id == "rel-1"
    assert whole.checks


def test_a_report_that_cannot_be_read_does_not_stop_the_night(root: Path) -> None:
    reported(1, 2)
    store(1).write_json(night.REPORT, {"releases": "as another version wrote it"})
    last = night.last_report(store())
    assert last is not None
    assert last.generated_at == TONIGHT - timedelta(days=2)


def test_a_scorecard_that_cannot_be_read_is_not_compared_with(root: Path) -> None:
    under_watch(root, "rel-1", "payments")
    store(1).write_json(night.REPORT, NightReport(generated_at=TONIGHT - timedelta(days=1), releases=()))
    store(1).write_json("scorecards/production/rel-1.json", {"version": "as another version wrote it"})
    night.check_active_releases(store(), TONIGHT)
    assert store().exists("scorecards/production/rel-1.md")


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("nobody thought of this")


def environment_of(where: str, release_id: str, *services: str, root: Path) -> None:
    deployed = release(release_id, *services, environment=where)
    rules = {release_id: to_yaml([group(services[0])])}
    ActiveReleases(root).register(deployed, artifacts_uri="file:///a", rules=rules, at=TONIGHT)


def test_an_environment_whose_night_breaks_is_red_and_hides_no_other(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment_of("production", "rel-1", "payments", root=root)
    environment_of("staging", "rel-2", "payments", root=root)
    checked = night.drill_alert_paths

    def drilled(active: Any, environment: str, *more: Any) -> Any:
        return broken() if environment == "staging" else checked(active, environment, *more)

    monkeypatch.setattr(night, "drill_alert_paths", drilled)
    report = night.check_active_releases(store(), TONIGHT)
    assert store().read_model(night.REPORT, NightReport) == report
    found = {one.release_id: one for one in report.releases}
    assert found["rel-1"].checks
    assert found["rel-2"].needs_person
    assert "ZeroDivisionError: nobody thought of this" in found["rel-2"].line
    assert found["rel-2"].services == ("payments",)


@pytest.mark.parametrize("step", ["amend_backlog", "refresh_scorecards"])
def test_what_breaks_after_the_report_takes_nothing_from_the_other_steps(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    under_watch(root, "rel-1", "payments")
    monkeypatch.setattr(night, step, broken)
    report = night.check_active_releases(store(), TONIGHT)
    assert store().read_model(night.REPORT, NightReport) == report
    backlog = root / "backlog" / "production" / "improvement-backlog.md"
    assert backlog.exists() == (step != "amend_backlog")
    assert store().exists("scorecards/production/rel-1.md") == (step != "refresh_scorecards")


def test_a_scorecard_that_breaks_takes_no_other_with_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_watch(root, "rel-1", "payments")
    under_watch(root, "rel-2", "checkout")
    sources = night._sources

    def of(entry: Any, *more: Any) -> Any:
        return broken() if entry.release.release_id == "rel-1" else sources(entry, *more)

    monkeypatch.setattr(night, "_sources", of)
    night.check_active_releases(store(), TONIGHT)
    assert store().exists("scorecards/production/rel-2.md")


@pytest.mark.parametrize("name", ["2026-11-21 (copy)", "2026-11-21.bak", "0-old"])
def test_a_folder_that_is_no_night_is_passed_over(root: Path, name: str) -> None:
    reported(1)
    nights = root / "monitoring" / "nightly"
    shutil.copytree(nights / "2026-11-21", nights / name)
    assert [found.release_id for found in night.earlier_nights(store())] == ["2026-11-21"]


def test_since_when_something_drifts_is_that_of_its_own_environment() -> None:
    first, last = TONIGHT - timedelta(days=9), TONIGHT - timedelta(days=2)
    releases = [drifting("production", first), drifting("staging", last)]
    kept = night.kept_of(NightReport(generated_at=last, releases=releases), "production")
    assert kept.last == {"rel-1": {"rule:slo/A:0": first}}


def drifting(environment: str, since: datetime) -> ReleaseNight:
    drift = Drift(
        key="rule:slo/A:0",
        kind="edited",
        what="alert A: for differs",
        owner="sre",
        service="checkout",
        since=since,
        verdict=Verdict.NO_GO,
        to_do="activate it again",
    )
    return ReleaseNight(
        release_id="rel-1",
        environment=environment,
        services=("checkout",),
        decision=Decision.over([]),
        needs_person=True,
        drift=(drift,),
    )


def test_a_damaged_registration_closes_no_item_of_what_it_watches(root: Path) -> None:
    under_watch(root, "rel-1", "payments")
    folder = root / "registry" / "monitoring" / "production" / "rel-2"
    folder.mkdir(parents=True)
    (folder / "registration.json").write_text("{}")
    backlog = LivingBacklog(root, "production")
    board = improvement(
        "night-dashboards",
        "",
        "production/dashboard of rel-2",
        title="dashboard of rel-2: the activated dashboards are there does not hold",
        evidence="Grafana has no dashboard u",
        priority="high",
        owners={},
    )
    origin = Origin("production", "night of 2026-11-21")
    backlog.write(amended(None, [board], origin, TONIGHT - timedelta(days=1)).text)
    night.check_active_releases(store(), TONIGHT)
    states = {entry.item_id: entry.state for entry in entries(backlog.read() or "")}
    assert states[board.item_id] == "open"
