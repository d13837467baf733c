"""Every detector on the same held-out cases, in one run; and docs/detection.md from what came out."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.detection import scoring
from benchmarks.detection.cases import DEVELOPMENT, HELD_OUT, LOOKS, cases, looks
from benchmarks.detection.comparators import DETECTORS
from benchmarks.detection.truth import Labelled
from benchmarks.empty_dag import REPOSITORY

NAME = "detection"
SUMMARY = "how well the judge tells bad releases from healthy ones, beside three-sigma and Mann-Whitney"
DOCUMENT = REPOSITORY / "docs" / "detection.md"
COUNTS = {"web": 400, "canary": 400, "service": 150}
DECIDING = {"web": 30, "canary": 15, "service": 120}
"""The look, in minutes, of which the confusion table is shown."""

TITLES = {
    "web": "Web KPIs: one metric at one minute, two days of baseline",
    "canary": "Canary releases: success rate and latency per caller, 15 minutes before and after",
    "service": "Services: 19 metrics at five minutes, direction unknown",
}
Result = Mapping[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of cases (default: 1)")
    parser.add_argument(
        "--development",
        action="store_true",
        help="the cases on which limits are chosen, not the held-out ones",
    )


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the scores of every detector on every family."""
    seed = DEVELOPMENT if options.development else HELD_OUT
    return {
        "seed": seed,
        "families": {
            family: _family(family, seed, max(10, round(count * options.share)))
            for family, count in COUNTS.items()
        },
    }


def _family(family: str, seed: int, count: int) -> dict[str, Any]:
    labelled = list(cases(family, seed, count))
    detectors = {}
    for name, detect in DETECTORS.items():
        begun = time.process_time()
        decisions = [detect(one.case, looks(family)) for one in labelled]
        detectors[name] = _scores(family, labelled, decisions) | {"seconds": time.process_time() - begun}
    bad = sum(one.bad for one in labelled)
    return {"cases": count, "bad": bad, "looks": LOOKS[family], "detectors": detectors}


def _scores(family: str, labelled: Sequence[Labelled], decisions: Sequence[Sequence[bool]]) -> dict[str, Any]:
    at = [scoring.at_look(labelled, decisions, look) for look in range(len(LOOKS[family]))]
    return {
        "at": {minutes: _counts(confusion) for minutes, confusion in zip(LOOKS[family], at, strict=True)},
        "over": _counts(scoring.over_looks(labelled, decisions)),
        "delay": scoring.delay(labelled, decisions, LOOKS[family]),
        "by_fault": scoring.recall_by_fault(labelled, decisions),
    }


def _counts(confusion: scoring.Confusion) -> dict[str, float]:
    return {
        "true_bad": confusion.true_bad,
        "false_bad": confusion.false_bad,
        "false_healthy": confusion.false_healthy,
        "true_healthy": confusion.true_healthy,
        "f1": confusion.f1,
        "recall": confusion.recall,
        "false_alarms": confusion.false_alarms,
    }


def table(result: Result) -> str:
    """Return the tables as Markdown."""
    return "\n\n".join(_tables(family, measured) for family, measured in result["families"].items())


def _tables(family: str, measured: Result) -> str:
    look = DECIDING[family]
    rows = [
        _row(name, scores["at"][look], scores["over"], scores["delay"])
        for name, scores in measured["detectors"].items()
    ]
    minutes = ", ".join(str(one) for one in measured["looks"])
    return "\n".join(
        [
            f"### {TITLES[family]}",
            "",
            f"{measured['cases']} cases, {measured['bad']} of them bad; looks at {minutes} minutes.",
            "",
            f"| | bad, found at {look} min | bad, missed | healthy, called bad | healthy, left alone | F1 "
            "| false alarms | recall over all looks | false alarms over all looks | median delay |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            *_by_look(measured),
            "",
            *_by_fault(measured),
        ]
    )


def _row(name: str, at: Result, over: Result, delay: float | None) -> str:
    late = "never" if delay is None else f"{delay:g} min"
    return (
        f"| {name} | {at['true_bad']} | {at['false_healthy']} | {at['false_bad']} | {at['true_healthy']} "
        f"| **{at['f1']:.3f}** | {at['false_alarms']:.1%} | {over['recall']:.1%} "
        f"| {over['false_alarms']:.1%} | {late} |"
    )


def _by_look(measured: Result) -> list[str]:
    names = list(measured["detectors"])
    return [
        "| F1 / false alarms at | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        *(
            f"| {look} min | "
            + " | ".join(
                f"{(at := measured['detectors'][name]['at'][look])['f1']:.3f} / {at['false_alarms']:.1%}"
                for name in names
            )
            + " |"
            for look in measured["looks"]
        ),
    ]


def _by_fault(measured: Result) -> list[str]:
    names = list(measured["detectors"])
    faults = next(iter(measured["detectors"].values()))["by_fault"]
    return [
        "| found at any look | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        *(
            f"| {fault} | "
            + " | ".join("{} of {}".format(*measured["detectors"][name]["by_fault"][fault]) for name in names)
            + " |"
            for fault in faults
        ),
    ]


def write(text: str) -> None:
    """Put the tables between the markers of docs/detection.md."""
    begin, end = "<!-- detection: begin -->", "<!-- detection: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    document = DOCUMENT.read_text()
    if not pattern.search(document):
        raise SystemExit(f"{DOCUMENT} lacks the lines {begin} and {end}, between which the tables go")
    DOCUMENT.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", document))
