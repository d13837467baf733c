"""The baselines that a run captures: what they leave out, what is pinned, and what is told of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, timedelta

import pandas as pd
import pytest

from release_watch.artifacts.models import BaselineKind, BaselineMetrics
from release_watch.baseline.frames import from_parquet
from release_watch.baseline.known_good import KnownGood
from release_watch.catalog.policies import BaselinePolicy, Policies
from release_watch.clock import now
from release_watch.errors import BackendError, InvalidInputError
from release_watch.orchestration.run import ProtocolRun
from release_watch.orchestration.steps import instrumentation, leaving_out, watching
from release_watch.orchestration.storage import artifact_root
from release_watch.response.incidents import Incident
from release_watch.response.ledger import EntryState, RollbackLedger
from release_watch.verdict import Verdict
from tests.orchestration.fakes import context

MINUTE = timedelta(minutes=1)
STEP = timedelta(seconds=10)


class Level:
    """A metrics server on which every query has one series, of ones."""

    base_url = "http://prometheus.test"

    def range(self, _query, start, end, step):
        times = pd.date_range(start.astimezone(UTC), end.astimezone(UTC), freq=step)
        return pd.DataFrame({"{}": [1.0] * len(times)}, index=times)


class Tracker:
    """A ticket tracker with these incidents, or one that does not answer."""

    def __init__(self, *incidents):
        self.told = incidents
        self.asked = []

    def incidents(self, since, services):
        self.asked.append((since, tuple(services)))
        if not self.told:
            raise BackendError("Roundup", "http://tickets.test did not answer")
        return list(self.told)


@pytest.fixture
def run(monkeypatch):
    """A run of two services, deployed a minute ago, that compares with the ten minutes before."""
    deployed_at = (now() - MINUTE).replace(microsecond=0).isoformat()
    run = ProtocolRun.of(context("phase_1_instrumentation.capture_snapshot", deployed_at=deployed_at))
    rules = BaselinePolicy(step=STEP, min_samples=30, reference_window=10 * MINUTE)
    config = run.config.model_copy(update={"policies": Policies(baseline=rules)})
    run.__dict__["config"] = config
    monkeypatch.setattr(type(run.backends), "metrics", lambda *_: Level())
    return run


@pytest.fixture
def tracker(monkeypatch):
    """Sets which incidents the tracker tells of."""

    def telling(*incidents):
        tracker = Tracker(*incidents)
        monkeypatch.setattr("release_watch.orchestration.steps.escalation.tracker", lambda _: tracker)
        return tracker

    return telling


def incident(run, service, minutes_before, length=1):
    opened = run.release.deployed_at - minutes_before * MINUTE
    return Incident("7", "http://t/7", f"{service} is slow", service, opened, opened + length * MINUTE)


def reference(run):
    return run.store.read_model(instrumentation.REFERENCE_BASELINE, BaselineMetrics)


def test_the_reference_is_written_with_the_digest_of_its_samples(run, tracker):
    tracker(incident(run, "checkout", 60 * 24))

    instrumentation.capture_snapshot(run)

    written, samples = reference(run), run.store.read_bytes(instrumentation.REFERENCE)
    assert (written.kind, written.sampling.file) == (BaselineKind.REFERENCE, instrumentation.REFERENCE)
    assert written.sampling.sha256 == hashlib.sha256(samples).hexdigest()
    assert written.window.end == run.release.deployed_at - 5 * STEP
    assert written.window.end - written.window.start == 10 * MINUTE
    assert (written.excluded, written.warnings) == ((), ())
    assert len(from_parquet(samples)["checkout", "latency_p95_seconds"]) == 61
    snapshot = run.store.read_model(instrumentation.BASELINE, BaselineMetrics)
    assert (snapshot.kind, snapshot.sampling.file) == (BaselineKind.SNAPSHOT, "records/snapshot.parquet")
    assert run.store.exists("records/snapshot.parquet")


def test_an_incident_is_left_out_of_its_service_and_made_up_for(run, tracker, caplog):
    caplog.set_level("INFO")
    tracker(incident(run, "checkout", 6))

    instrumentation.capture_snapshot(run)

    written = reference(run)
    (span,) = written.excluded
    assert (span.service, span.reason) == ("checkout", "incident http://t/7: checkout is slow")
    assert written.window.end - written.window.start > 10 * MINUTE
    samples = from_parquet(run.store.read_bytes(instrumentation.REFERENCE))
    times = samples["checkout", "latency_p95_seconds"].index
    assert not ((times >= span.start) & (times < span.end)).any()
    assert len(samples["payments", "latency_p95_seconds"]) > len(times) >= 60
    assert "of checkout: incident http://t/7: checkout is slow" in caplog.text


def test_a_release_that_was_rolled_back_is_left_out(run, tracker):
    tracker(incident(run, "checkout", 60 * 24))
    bad = run.release.model_copy(update={"release_id": "shop-1.0.9", "services": ("payments", "catalogue")})
    asked = run.release.deployed_at - 4 * MINUTE
    RollbackLedger(artifact_root()).note(bad, "deploy-d-0", asked, EntryState.SUCCEEDED)

    (span,) = leaving_out.left_out(run, (asked - 10 * MINUTE, asked + MINUTE)).spans

    assert (span.service, span.reason) == ("payments", "release shop-1.0.9 was rolled back")


def test_what_does_not_answer_is_a_warning_in_log_and_document(run, tracker, caplog):
    tracker()

    instrumentation.capture_snapshot(run)

    (warning,) = reference(run).warnings
    assert warning.startswith(
        "Incidents are not left out of the baseline, since none could be listed: Roundup"
    )
    assert warning in caplog.text
    assert reference(run).metrics[0].samples == 61


def test_without_a_tracker_the_warning_names_the_connection(run, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_TICKETS_DEFAULT", raising=False)

    (warning,) = leaving_out.left_out(run, (now() - MINUTE, now())).warnings

    assert "No Airflow connection 'tickets_default'" in warning


def test_a_damaged_ledger_of_rollbacks_is_a_warning(run, tracker):
    tracker(incident(run, "checkout", 60 * 24))
    RollbackLedger(artifact_root()).note(run.release, "deploy-d-0", now(), EntryState.SUCCEEDED)
    (path,) = (artifact_root() / "rollbacks").rglob("rollback.json")
    path.write_text("{")

    (warning,) = leaving_out.left_out(run, (now() - MINUTE, now())).warnings

    assert warning.startswith("Rollbacks are not left out")


def pinned(run, days):
    values = pd.Series([2.0, 2.5], index=pd.date_range("2026-01-01", periods=2, freq="1min", tz="UTC"))
    return KnownGood(artifact_root(), "production").pin(
        "checkout",
        {("checkout", "latency_p95_seconds"): values},
        release_id="shop-1.0.0",
        window=(now() - timedelta(days=3), now() - timedelta(days=1)),
        by="ada",
        reason="quiet",
        at=now() - timedelta(days=1),
        expires_at=now() + timedelta(days=days),
    )


def test_a_pinned_service_is_compared_with_its_pin(run, tracker):
    tracker(incident(run, "checkout", 60 * 24))
    pin = pinned(run, days=5)

    instrumentation.capture_snapshot(run)

    samples = from_parquet(run.store.read_bytes(instrumentation.REFERENCE))
    assert samples["checkout", "latency_p95_seconds"].tolist() == [2.0, 2.5]
    assert ("checkout", "throughput_rps") not in samples
    assert len(samples["payments", "latency_p95_seconds"]) == 61
    assert {entry.known_good for entry in reference(run).metrics if entry.service == "checkout"} == {
        pin.words
    }


def test_a_pin_that_has_expired_is_a_warning(run, tracker, caplog):
    tracker(incident(run, "checkout", 60 * 24))
    pinned(run, days=-0.5)

    instrumentation.capture_snapshot(run)

    (warning,) = reference(run).warnings
    assert warning.startswith("The known-good baseline of checkout is not used: it ended ")
    assert warning in caplog.text
    assert len(from_parquet(run.store.read_bytes(instrumentation.REFERENCE))["checkout", "error_ratio"]) == 61


def test_a_pin_whose_samples_have_changed_stops_the_run(run, tracker):
    tracker(incident(run, "checkout", 60 * 24))
    pinned(run, days=5)
    (samples,) = (artifact_root() / "known-good").rglob("*.parquet")
    samples.write_bytes(b"other")

    with pytest.raises(InvalidInputError, match="is not what was pinned; pin the baseline again"):
        instrumentation.capture_snapshot(run)


def test_a_release_baseline_leaves_out_incidents_and_a_snapshot_does_not(run, tracker):
    tracker(incident(run, "checkout", 9))
    window = (run.release.deployed_at - 10 * MINUTE, run.release.deployed_at)

    release = instrumentation.captured_baseline(run, BaselineKind.RELEASE, window, "1.1.0")
    snapshot = instrumentation.captured_baseline(run, BaselineKind.SNAPSHOT, window)

    assert [span.service for span in release.excluded] == ["checkout"]
    assert snapshot.excluded == ()
    assert release.verdict is Verdict.GO
    assert run.store.exists("records/release.parquet")


def test_a_window_with_too_few_samples_is_extended_up_to_the_limit(run, tracker):
    tracker(incident(run, "checkout", 60 * 24))
    end = run.release.deployed_at
    short, long = (end - 2 * MINUTE, end), (end - 10 * MINUTE, end)

    assert [watching.extend_window(run, short) for _ in range(3)] == [True, True, False]
    written = run.store.read_model(watching.RELEASE_BASELINE, BaselineMetrics)
    assert "13 samples; 30 are needed" in written.reason
    assert (written.verdict, written.sampling.file) == (Verdict.INCONCLUSIVE, "records/release.parquet")
    assert watching.extend_window(run, long) is False
    assert run.store.read_model(watching.RELEASE_BASELINE, BaselineMetrics).verdict is Verdict.GO
