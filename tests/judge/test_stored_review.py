"""A review is stored with all it was judged by, and comes to the same verdict again, or says what differs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from release_watch.artifacts.models import MonitoringResults, Review, Window
from release_watch.artifacts.store import ArtifactStore
from release_watch.baseline.frames import to_parquet
from release_watch.catalog.policies import JudgePolicy
from release_watch.judge import Kind, MetricSpec, judge_metric, judge_release
from release_watch.judge.cases.stored import REFERENCE, StoredReview, store_review
from release_watch.judge.command.arguments import NOTHING_DONE, main
from release_watch.judge.judgement import MetricJudgement, ReleaseJudgement, State
from release_watch.release import Release
from release_watch.verdict import Objective, Verdict
from tests.judge import series

DEPLOYED = datetime(2026, 3, 4, tzinfo=UTC)
RELEASE = Release(
    deployment_id="42",
    release_id="shop-1.4.0",
    version="1.4.0",
    environment="production",
    services=("checkout",),
    deployed_at=DEPLOYED,
    evidence_uri="file:///evidence",
    baseline_window=timedelta(hours=24),
    review_interval=timedelta(minutes=5),
)
POLICY = JudgePolicy(persistence=4)
LATENCY = MetricSpec(service="checkout", metric="latency_p95_seconds", kind=Kind.LATENCY, golden=True)
ERRORS = MetricSpec(service="checkout", metric="error_ratio", kind=Kind.RATIO, golden=True)
SILENT = MetricSpec(service="checkout", metric="orders")
SPECS = (LATENCY, ERRORS)

Frames = dict[tuple[str, str], pd.Series]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path, RELEASE.environment, RELEASE.release_id)


@pytest.fixture
def folder(tmp_path: Path, store: ArtifactStore) -> Path:
    store.write_bytes(REFERENCE, to_parquet(reference()))
    return tmp_path / "monitoring" / RELEASE.environment / RELEASE.release_id


def reference() -> Frames:
    random = np.random.default_rng(1)
    start = pd.Timestamp(DEPLOYED) - timedelta(hours=2)
    return {
        LATENCY.key: series.at(0.2 * random.lognormal(0, 0.1, 120), start=start),
        ERRORS.key: series.at(random.uniform(0, 0.01, 120), start=start),
    }


def samples(number: int, factor: float) -> Frames:
    random = np.random.default_rng(number)
    start = pd.Timestamp(DEPLOYED) + timedelta(minutes=20 * number)
    return {
        LATENCY.key: series.at(factor * 0.2 * random.lognormal(0, 0.1, 20), start=start),
        ERRORS.key: series.at(random.uniform(0, 0.01, 20), start=start),
    }


def reviewed(
    store: ArtifactStore, number: int, factor: float = 1.0, published: Verdict | None = None
) -> tuple[Review, ReleaseJudgement]:
    before, current = reference(), samples(number, factor)
    judged = [judge_metric(before[spec.key], current[spec.key], spec=spec, policy=POLICY) for spec in SPECS]
    judged.append(
        MetricJudgement(
            spec=SILENT, verdict=Verdict.INCONCLUSIVE, state=State.UNKNOWN, score=0, reason="no data"
        )
    )
    judgement = judge_release(judged, POLICY, dependencies={"checkout": ["payments"]})
    verdict = published or judgement.verdict
    at = DEPLOYED + timedelta(minutes=20 * number + 20)
    review = Review(number=number, at=at, verdict=verdict, objectives=judgement.objectives())
    store_review(
        store,
        review,
        RELEASE,
        judgement,
        policy=POLICY,
        dependencies={"checkout": ["payments"]},
        samples=current,
    )
    return review, judgement


def publish(store: ArtifactStore, *reviews: Review) -> None:
    results = MonitoringResults(
        release_id=RELEASE.release_id,
        environment=RELEASE.environment,
        generated_at=DEPLOYED,
        verdict=reviews[-1].verdict,
        window=Window(start=DEPLOYED, end=DEPLOYED + timedelta(days=1)),
        reviews=reviews,
        findings=(),
    )
    store.write_json("monitoring-results.json", results)


def changed(folder: Path, number: int, **content: object) -> None:
    path = folder / f"records/reviews/{number:04d}.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **content}))


def test_every_review_comes_to_its_verdict_again(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reviews = [reviewed(store, number, factor)[0] for number, factor in enumerate((1.0, 1.02, 3.0), 1)]
    publish(store, *reviews)

    assert [review.verdict for review in reviews] == [Verdict.WARN, Verdict.WARN, Verdict.NO_GO]
    assert main(["--evidence", str(folder)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "review 1 of shop-1.4.0 at 2026-03-04T00:40:00.000Z: WARN, as stored"
    assert told[4] == "review 3 of shop-1.4.0 at 2026-03-04T01:20:00.000Z: NO_GO, as stored"
    assert told[5].startswith("  checkout latency_p95_seconds: 0.58")
    assert told[6:] == ["3 reviews: every verdict is the one that was stored"]


def test_the_document_holds_what_the_review_knew_and_said(store: ArtifactStore, folder: Path) -> None:
    review, judgement = reviewed(store, 1, 3.0, published=Verdict.NO_GO)

    stored = store.read_model("records/reviews/0001.json", StoredReview)
    assert (stored.policy, stored.dependencies) == (POLICY, {"checkout": ("payments",)})
    assert [one.judgement for one in stored.metrics] == list(judgement.judgements)
    assert [one.from_samples for one in stored.metrics] == [True, True, False]
    assert (stored.at, stored.deployed_at, stored.published) == (review.at, DEPLOYED, Verdict.NO_GO)


def test_a_review_that_is_repeated_replaces_its_own_files_only(store: ArtifactStore, folder: Path) -> None:
    reviewed(store, 1)
    first = store.read_bytes("records/reviews/0001.json")
    reviewed(store, 2)
    names = store.names("records/reviews/")
    reviewed(store, 2, 3.0)

    assert store.names("records/reviews/") == names
    assert store.read_bytes("records/reviews/0001.json") == first
    assert main(["--evidence", str(folder)]) == 0


def test_a_control_group_and_a_metric_without_any_samples_are_part_of_it(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, current = reference()[LATENCY.key], samples(1, 3.0)[LATENCY.key]
    group = current * 0.98
    nothing = current.iloc[:0]
    judged = [
        judge_metric(before, current, spec=LATENCY, policy=POLICY, control=group),
        judge_metric(before, nothing, spec=SILENT, policy=POLICY),
    ]
    judgement = judge_release(judged, POLICY)
    review = Review(number=1, at=DEPLOYED, verdict=judgement.verdict, objectives=judgement.objectives())
    given = {LATENCY.key: current, SILENT.key: nothing}
    store_review(
        store, review, RELEASE, judgement, policy=POLICY, dependencies={}, samples=given,
        controls={LATENCY.key: group},
    )  # fmt: skip

    assert main(["--evidence", str(folder)]) == 1  # no reference of SILENT was known when it was judged
    assert "baseline_samples is 0, stored is 120" in capsys.readouterr().out
    (folder / REFERENCE).write_bytes(to_parquet({LATENCY.key: before, SILENT.key: before}))
    store_review(
        store, review, RELEASE, judgement, policy=POLICY, dependencies={}, samples=given,
        controls={LATENCY.key: group},
    )  # fmt: skip
    assert main(["--evidence", str(folder)]) == 0
    changed(folder, 1, controls=None)
    assert main(["--evidence", str(folder)]) == 1


@pytest.mark.parametrize(
    ("content", "difference"),
    [
        ({"verdict": "GO"}, "the verdict is NO_GO, stored is GO"),
        ({"score": 0.1}, "stored is 0.1"),
        ({"published": "GO"}, "published as GO, but its metrics are NO_GO"),
        ({"policy": {**POLICY.model_dump(), "persistence": 30}}, "the verdict is INCONCLUSIVE, stored is NO"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_differs_is_told(
    store: ArtifactStore,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    content: dict[str, object],
    difference: str,
) -> None:
    reviewed(store, 1, 3.0)
    changed(folder, 1, **content)

    assert main(["--evidence", str(folder)]) == 1
    told = capsys.readouterr().out
    assert difference in told
    assert told.endswith("1 review: the evidence and its verdicts differ\n")


def test_a_judgement_that_was_changed_is_told_with_what_it_was(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reviewed(store, 1, 3.0)
    document = json.loads((folder / "records/reviews/0001.json").read_bytes())
    document["metrics"][0]["judgement"] |= {"value": 0.2, "state": "normal", "started_at": None}
    changed(folder, 1, metrics=document["metrics"])

    assert main(["--evidence", str(folder)]) == 1
    told = capsys.readouterr().out
    assert "checkout latency_p95_seconds: state is sustained, stored is normal" in told
    assert "stored is 0.2" in told


@pytest.mark.parametrize("name", [REFERENCE, "records/reviews/0001.parquet"])
def test_samples_that_were_touched_or_lost_are_told(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    reviewed(store, 1)
    (folder / name).write_bytes(to_parquet(samples(1, 2.0)))

    assert main(["--evidence", str(folder)]) == 1
    assert f"{name}: not the file that was stored: its SHA-256 differs" in capsys.readouterr().out
    (folder / name).unlink()
    assert main(["--evidence", str(folder)]) == 1
    assert f"{name}: No such file or directory" in capsys.readouterr().out


def test_a_published_verdict_that_differs_or_has_no_evidence_is_told(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = reviewed(store, 1)[0], reviewed(store, 2)[0]
    nothing = Objective(name="review", verdict=Verdict.INCONCLUSIVE, reason="no answer")
    third = Review(number=3, at=first.at, verdict=Verdict.INCONCLUSIVE, objectives=(nothing,))
    publish(store, first, second, third)
    assert main(["--evidence", str(folder)]) == 0

    publish(store, first.model_copy(update={"verdict": Verdict.GO}), second)
    assert main(["--evidence", str(folder)]) == 1
    assert "monitoring-results.json says GO, stored is WARN" in capsys.readouterr().out

    publish(store, first, second, second.model_copy(update={"number": 4}))
    assert main(["--evidence", str(folder)]) == 1
    assert "review 4: monitoring-results.json has it, but its evidence is not" in capsys.readouterr().out


def test_findings_may_make_a_review_worse_than_its_metrics(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(store, reviewed(store, 1, published=Verdict.NO_GO)[0])

    assert main(["--evidence", str(folder)]) == 0
    assert "published as NO_GO: alerts or other findings" in capsys.readouterr().out


def test_a_folder_without_reviews_is_no_evidence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--evidence", str(tmp_path)]) == NOTHING_DONE
    assert "no stored reviews" in capsys.readouterr().err


def test_a_document_that_is_none_is_told_and_the_others_judged(
    store: ArtifactStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reviewed(store, 2)
    (folder / "records/reviews/0001.json").write_text("{")

    assert main(["--evidence", str(folder)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("records/reviews/0001.json: Invalid JSON")
    assert "review 2" in told[1]


def test_what_failed_is_drawn_over_all_reviews(store: ArtifactStore, folder: Path, tmp_path: Path) -> None:
    publish(store, *(reviewed(store, number, 3.0)[0] for number in (1, 2)))

    assert main(["--evidence", str(folder), "--plots", str(tmp_path / "plots")]) == 0
    (picture,) = (tmp_path / "plots").iterdir()
    assert picture.name.startswith("shop-1.4.0_checkout.latency_p95_seconds.")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_review_that_could_judge_nothing_is_evidence_too(store: ArtifactStore, folder: Path) -> None:
    judgement = judge_release((), POLICY)
    objective = Objective(name="metrics", verdict=Verdict.INCONCLUSIVE, reason="no answer")
    review = Review(number=1, at=DEPLOYED, verdict=Verdict.INCONCLUSIVE, objectives=(objective,))
    (folder / REFERENCE).unlink()
    store_review(store, review, RELEASE, judgement, policy=POLICY, dependencies={}, samples={})
    publish(store, review)

    assert main(["--evidence", str(folder)]) == 0
