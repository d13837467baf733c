"""``python -m benchmarks.detection.petshop FOLDER``: the judge on real telemetry with injected faults.

FOLDER is a checkout of amazon-science/petshop-root-cause-analysis (data CC-BY-4.0, not part of this
repository). Of its front end, PetSite, five metrics at five minutes: 24 hours before, 20 minutes after. A
fault's own file begins minutes before the fault, so that the day before it comes from the fault-free
recording of the same load, ending at the same time of day; that was made months apart.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd

from benchmarks.detection import scoring
from benchmarks.detection.comparators import DETECTORS
from benchmarks.detection.truth import Labelled
from release_watch.judge.cases import Case, CaseMetric
from release_watch.judge.spec import Direction, Kind

LOADS = ("high_traffic", "low_traffic")
METRICS = {
    ("latency", "Average"): (Direction.UP, Kind.LATENCY),
    ("latency", "p90"): (Direction.UP, Kind.LATENCY),
    ("latency", "p99"): (Direction.UP, Kind.LATENCY),
    ("requests", "Sum"): (Direction.BOTH, Kind.COUNT),
    ("availability", "Average"): (Direction.DOWN, Kind.RATIO),
}
DAY, AFTER = 288, 4
HEALTHY_APART = 8
"""Steps between two fault-free windows."""

DAY_SECONDS = 86_400
LOOKS = [timedelta(minutes=minutes) for minutes in (10, 15, 20)]


def cases(folder: Path) -> Iterator[Labelled]:
    """Yield the windows with a fault and without one, whose direction of worse is known."""
    for load in LOADS:
        healthy = frame(folder / "dataset" / load / "noissue" / "metrics.csv")
        for start in range(DAY, len(healthy) - AFTER + 1, HEALTHY_APART):
            yield case(f"{load}-{start}", "", healthy[start - DAY : start], healthy[start : start + AFTER])
        for path in sorted(folder.glob(f"dataset/{load}/*/issue_*/metrics.csv")):
            after = frame(path)[-AFTER:]
            away = (healthy.index[DAY:] - after.index[0]) % DAY_SECONDS
            end = DAY + int(away.argmin())
            before = healthy[end - DAY : end]
            late = before.set_axis(before.index + after.index[0] - healthy.index[end])
            yield case(f"{load}-{path.parent.name}", path.parent.name, late, after)


def frame(path: Path) -> pd.DataFrame:
    """Return the front end's metrics by (metric, statistic), indexed by epoch seconds."""
    return pd.DataFrame(pd.read_csv(path, header=[0, 1, 2], index_col=0)["PetSite"]).sort_index()


def case(name: str, fault: str, before: pd.DataFrame, after: pd.DataFrame) -> Labelled:
    """Return a case of the metrics that both recordings hold."""
    metrics = tuple(
        CaseMetric(" ".join(key), line(before, key), line(after, key), None, direction, False, kind)
        for key, (direction, kind) in METRICS.items()
        if key in before.columns and key in after.columns
    )
    return Labelled(
        Case(name, pd.Timestamp(after.index[0], unit="s", tz="UTC").to_pydatetime(), metrics), fault
    )


def line(rows: pd.DataFrame, key: tuple[str, str]) -> pd.Series:
    """Return a metric as a UTC-indexed series without missing values."""
    values = rows[key].astype(float)
    return values.set_axis(pd.to_datetime(values.index, unit="s", utc=True).as_unit("us")).dropna()


def main(arguments: list[str] | None = None) -> int:
    """Print what every detector makes of the windows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.petshop")
    parser.add_argument("folder", type=Path, help="a checkout of amazon-science/petshop-root-cause-analysis")
    labelled = list(cases(parser.parse_args(arguments).folder))
    bad = Counter(one.bad for one in labelled)
    print(f"{bad[True]} windows with a fault, {bad[False]} without; at 20 minutes, and over three looks:\n")
    print("| | found | missed | false alarms | left alone | F1 | false alarms over the looks |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, detect in DETECTORS.items():
        calls = [detect(one.case, LOOKS) for one in labelled]
        at, over = scoring.at_look(labelled, calls, -1), scoring.over_looks(labelled, calls)
        print(
            f"| {name} | {at.true_bad} | {at.false_healthy} | {at.false_bad} ({at.false_alarms:.1%}) "
            f"| {at.true_healthy} | **{at.f1:.3f}** | {over.false_bad} ({over.false_alarms:.1%}) |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
