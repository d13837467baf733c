from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from release_watch.baseline.frames import fetch, frames, from_parquet, to_parquet
from release_watch.errors import InvalidInputError
from release_watch.judge import MetricSpec
from tests.baseline.fake_metrics import FakeMetrics
from tests.judge import series

SPEC = MetricSpec(service="checkout", metric="latency_p95_seconds", query="q")
STEP = timedelta(minutes=1)


def window(samples: pd.Series) -> tuple[pd.Timestamp, pd.Timestamp]:
    return samples.index[0], samples.index[-1]


def test_missing_values_are_left_out_and_not_filled() -> None:
    samples = series.at([1.0, float("nan"), 3.0])

    fetched = fetch(SPEC, FakeMetrics({"q": samples}), window(samples), STEP)

    assert fetched.tolist() == [1.0, 3.0]


def test_a_query_without_series_has_no_samples() -> None:
    fetched = frames([SPEC], FakeMetrics({}), window(series.at([1.0, 2.0])), STEP)

    assert list(fetched) == [("checkout", "latency_p95_seconds")]
    assert fetched[SPEC.key].empty


def test_a_query_with_two_series_is_no_one_metric(caplog: pytest.LogCaptureFixture) -> None:
    class Two(FakeMetrics):
        def range(self, *args: object) -> pd.DataFrame:  # noqa: ARG002 - whatever it is asked
            return pd.DataFrame({"a": series.at([1.0]), "b": series.at([2.0])})

    assert fetch(SPEC, Two({}), window(series.at([1.0])), STEP).empty
    assert "the query gives 2 series; aggregate them to one" in caplog.text


def test_samples_survive_parquet() -> None:
    kept = {("a", "x"): series.at([1.0, 2.5]), ("b", "x"): series.at([3.0], step_seconds=2)}

    read = from_parquet(to_parquet(kept))

    assert read.keys() == kept.keys()
    for key, samples in kept.items():
        pd.testing.assert_series_equal(read[key], samples, check_names=False, check_freq=False)


def test_no_samples_at_all_survive_parquet_too() -> None:
    assert from_parquet(to_parquet({("a", "x"): series.at([])})) == {}


def test_another_file_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not a Parquet file"):
        from_parquet(b"{}")
