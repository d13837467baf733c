"""The command line of known-good baselines."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from release_watch.artifacts.models import BaselineKind
from release_watch.artifacts.store import ArtifactStore
from release_watch.baseline.capture import Source, capture_to
from release_watch.baseline.command import main
from release_watch.baseline.known_good import KnownGood
from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.models import Service
from release_watch.catalog.policies import Policies
from release_watch.release import Release
from tests.baseline.conftest import STEP
from tests.baseline.fake_metrics import FakeMetrics
from tests.judge import series

SAMPLES = "records/release.parquet"
WHY = ["--by", "ada", "--reason", "the quiet week", "--until", "P2D"]


@pytest.fixture
def store(
    tmp_path: Path, service: Service, release: Release, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> ArtifactStore:
    """The release baseline of a healthy service, captured over the last four minutes."""
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", tmp_path.as_uri())
    end = datetime.now(UTC).replace(microsecond=0)
    window = (end - timedelta(minutes=4), end)
    specs = metric_specs([service], step=STEP)
    level = 50 + np.random.default_rng(1).normal(0, 1, 121)
    ratios = {"error_ratio": level * 0, "availability": level * 0 + 1}
    answers = {
        spec.query: series.at(ratios.get(spec.metric, level), step_seconds=2, start=pd.Timestamp(window[0]))
        for spec in specs
    }
    file = io.BytesIO()
    baseline = capture_to(
        file, BaselineKind.RELEASE, [Source(FakeMetrics(answers), specs)], window, STEP, release, policies
    )
    assert baseline.sampling is not None
    named = baseline.sampling.model_copy(update={"file": SAMPLES})
    store = ArtifactStore(tmp_path, "production", release.release_id)
    store.write_bytes(SAMPLES, file.getvalue())
    store.write_json("records/release-baseline.json", baseline.model_copy(update={"sampling": named}))
    return store


def pin(*more: str) -> int:
    return main(["pin", "checkout", "--release", "shop-1.1.0", *WHY, *more])


@pytest.mark.usefixtures("store")
def test_what_a_run_captured_is_pinned_listed_and_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pin() == 0
    assert capsys.readouterr().out.startswith("checkout: shop-1.1.0, ")

    reference = KnownGood(tmp_path, "production").reference({}, ["checkout"], datetime.now(UTC))
    assert len(reference.series["checkout", "latency_p95_seconds"]) == 121
    assert main(["list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["pins"]
    assert (listed["service"], listed["pinned_by"], listed["reason"]) == ("checkout", "ada", "the quiet week")
    assert listed["used"] is True

    assert main(["unpin", "checkout"]) == 0
    assert main(["list"]) == 0
    assert "Nothing is pinned in production." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--until", "P40D"], "known_good_max_age allows P30D", id="too-long"),
        pytest.param(["--until", "2020-01-01T00:00:00Z"], "expires_at is not after now", id="in-the-past"),
        pytest.param(["--reason", " "], "--reason: is blank", id="no-reason"),
        pytest.param(["--release", "shop-0.9.0"], "release-baseline.json is not in", id="never-captured"),
        pytest.param(["--of", "reference"], "reference-baseline.json is not in", id="no-reference"),
        pytest.param(["--environment", "moon"], "--environment: 'moon' is not in the", id="no-environment"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_cannot_be_pinned_is_refused_in_words(
    tmp_path: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pin(*arguments) == 2

    error = capsys.readouterr().err
    assert words in error
    assert error.endswith("nothing was done\n")
    assert KnownGood(tmp_path, "production").all() == ()


def test_none_is_pinned_where_one_does_not_convince(
    store: ArtifactStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "records/release-baseline.json"
    document = json.loads(store.read_text(name))
    doubtful = {
        **document["metrics"][1],
        "service": "payments",
        "verdict": "INCONCLUSIVE",
        "reason": "no data",
    }
    store.write_json(name, {**document, "metrics": [*document["metrics"], doubtful]})

    assert main(["pin", "checkout", "payments", "--release", "shop-1.1.0", *WHY]) == 2

    assert "payments in the release baseline of shop-1.1.0: latency_p95_seconds: no data" in (
        capsys.readouterr().err
    )
    assert KnownGood(tmp_path, "production").all() == ()


def test_samples_that_are_not_those_of_the_document_are_not_pinned(
    store: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write_bytes(SAMPLES, store.read_bytes(SAMPLES) + b" ")

    assert pin() == 2
    assert "is not what records/release-baseline.json was made of" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_a_damaged_pin_can_be_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pin()
    (tmp_path / "known-good" / "production" / "checkout.json").write_text("{")

    assert main(["list"]) == 2
    assert "pin it again" in capsys.readouterr().err
    assert main(["unpin", "payments", "checkout"]) == 2
    assert "payments: nothing is pinned in production" in capsys.readouterr().err
    assert main(["unpin", "checkout"]) == 0
    assert main(["list"]) == 0


@pytest.mark.parametrize("text", ["tomorrow", "2026-04-01", "P", "2026-04-01T00:00:00"])
@pytest.mark.usefixtures("store")
def test_a_time_without_a_zone_is_wrong_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        pin("--until", text)

    assert ended.value.code == 2
    assert "write a time with its zone" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["--by", "--reason", "--until"])
def test_who_why_and_until_when_have_to_be_said(missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = WHY.index(missing)

    with pytest.raises(SystemExit) as ended:
        main(["pin", "checkout", "--release", "shop-1.1.0", *WHY[:place], *WHY[place + 2 :]])

    assert ended.value.code == 2
    assert f"required: {missing}" in capsys.readouterr().err
