"""Twenty healthy deployments in a row under seasonal load, and the same ones with a fault: what is found.

Not twenty runs of Airflow: the history of four days is written into a real Prometheus as blocks, and each
release is judged as the watch judges it, by the same functions over the same queries under the default
policies, when the window's sensor has it reviewed in the first two hours. So a moment of the past is looked
at as if it were now, and all that depends on the real now is left out: alerts (rules are not evaluated in the
past), logs and traces.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.empty_dag import REPOSITORY
from benchmarks.healthy_history import (
    CALLED,
    CALLING,
    DOWN,
    FAULTS,
    STEP,
    Plan,
    lines,
    plan,
    twin_job,
    version,
)
from release_watch.artifacts.models import BaselineKind, Finding, FindingState
from release_watch.baseline.capture import capture_to, reference_window, sources
from release_watch.baseline.frames import from_parquet
from release_watch.baseline.metrics import metric_specs
from release_watch.baseline.review import review
from release_watch.catalog.config import load_config
from release_watch.catalog.models import MetricsSignal, Service
from release_watch.catalog.policies import Policies
from release_watch.release import Release
from release_watch.response.findings import update_findings
from release_watch.verdict import Verdict
from release_watch.watch.schedule import next_review
from sandbox.backfill import backfill
from sandbox.shop.topology import ENVIRONMENT, SHOP
from sandbox.stack import Stack
from tests.integration.direct import DirectBackends

if TYPE_CHECKING:
    import pandas as pd

NAME = "healthy"
SUMMARY = "healthy deployments in a row under seasonal load, beside the same ones with a fault"
DEPLOYMENTS = 20
SEED = 1
OPENED = timedelta(minutes=5)
"""After the deployment the window opens: by then instrumentation is audited and the alert path is tested."""
WATCHED = timedelta(hours=2)
SOUND = "healthy"
_ORDERS = 'sum(rate(shop_orders_total{job="shop/checkout"}[4m]))'
"""The catalogue's own query looks back over a minute, which wants more than one scrape a minute."""


@dataclass(frozen=True)
class Looked:
    """What one look at one release said."""

    minutes: int
    verdict: Verdict
    findings: tuple[Finding, ...]


class Reference(NamedTuple):
    """The baseline of a release from before it: whether it convinces, and its samples."""

    verdict: Verdict
    reason: str
    samples: Mapping[tuple[str, str], pd.Series]


@dataclass(frozen=True)
class Watch:
    """The history in a Prometheus, and what it takes to look at the releases in it."""

    plan: Plan
    backends: DirectBackends
    services: tuple[Service, ...]
    policies: Policies

    def release(self, number: int) -> Release:
        """Return deployment ``number`` of the history."""
        return Release(
            deployment_id=f"dep-{number}",
            release_id=f"shop-{version(number)}",
            version=version(number),
            environment=ENVIRONMENT,
            services=tuple(SHOP),
            deployed_at=self.plan.deployed_at(number),
            evidence_uri="file:///evidence",
        )

    def reference(self, release: Release) -> Reference:
        """Return the reference baseline of a release, captured as its run does, without the document."""
        specs = metric_specs(self.services, step=STEP)
        file = io.BytesIO()
        baseline = capture_to(
            file,
            BaselineKind.REFERENCE,
            sources(self.services, specs, self.backends),
            reference_window(release, self.policies),
            STEP,
            release,
            self.policies,
        )
        return Reference(baseline.verdict, baseline.reason, from_parquet(file.getvalue()))

    def looks(self, number: int, reference: Reference, fault: str = SOUND) -> Iterator[Looked]:
        """Yield what each look at a release says; with a fault, of the twin that has it.

        In the outage (``DOWN``) the service that goes down is called by the release and not part of it.
        """
        every = tuple(_twin(one, fault) for one in self.services)
        called = tuple(one for one in every if fault == DOWN and one.name == CALLED)
        release, services = self.release(number), tuple(one for one in every if one not in called)
        owners = {service.name: service.owner for service in services}
        findings: tuple[Finding, ...] = ()
        for place, at in enumerate(review_moments(release), start=1):
            looked = review(
                place,
                release,
                services,
                self.backends,
                reference.samples,
                self.policies,
                at,
                called=called,
            )
            findings = update_findings(
                findings,
                looked.judgement,
                (),
                at,
                owners=owners,
                since=release.deployed_at,
                called=[service.name for service in called],
            )
            yield Looked(int((at - release.deployed_at) / STEP), looked.review.verdict, findings)


def review_moments(release: Release) -> Iterator[datetime]:
    """Yield when a release is reviewed in the first two hours of its window, as the window's sensor does."""
    at = start = release.deployed_at + OPENED
    while at < start + WATCHED:
        at = next_review(start, start + release.baseline_window, release.review_interval, STEP, at)
        yield at


def _twin(service: Service, fault: str) -> Service:
    """Return the service; the one that the fault breaks, with the series of the release that has it."""
    broken = () if fault == SOUND else (CALLED, CALLING) if fault == DOWN else (FAULTS[fault][0],)
    if service.name not in broken:
        return service
    signals: dict[str, Any] = {"metrics": MetricsSignal(selector=f'job="{twin_job(service.name, fault)}"')}
    if (fault, service.name) == (DOWN, CALLED) and service.signals.synthetics:
        probe = f'job="blackbox/{DOWN}",service="{service.name}"'
        signals["synthetics"] = service.signals.synthetics.model_copy(update={"selector": probe})
    return service.model_copy(update={"signals": service.signals.model_copy(update=signals)})


def shop_services() -> tuple[Service, ...]:
    """Return the shop's services from the shipped catalogue."""
    services = load_config(REPOSITORY / "include" / "config").catalog.select(tuple(SHOP))
    return tuple(
        service.model_copy(
            update={
                "business_metrics": tuple(
                    metric.model_copy(update={"query": _ORDERS}) for metric in service.business_metrics
                )
            }
        )
        for service in services
    )


@contextmanager
def watching(deployments: int, seed: int, broken: Sequence[int] = ()) -> Iterator[Watch]:
    """Write a history, start a Prometheus on it, and give what it takes to look at its releases."""
    what = plan(deployments, datetime.now(UTC))
    with TemporaryDirectory(prefix="release-watch-bench-") as temporary:
        stack = Stack(Path(temporary), ("prometheus",))
        backfill(stack.layout, lines(what, seed, broken))
        with stack:
            yield Watch(what, DirectBackends(stack.endpoints), shop_services(), Policies())


def is_found(looked: Looked, fault: str) -> bool:
    """Tell whether a look found the fault where it shows, and judged it lasting."""
    service, metric, _ = FAULTS[fault]
    return any(
        (finding.service, finding.metric, finding.state) == (service, metric, FindingState.OPEN)
        and finding.evidence[0].verdict is Verdict.NO_GO
        for finding in looked.findings
    )


def _found_after(looks: Iterator[Looked], fault: str) -> int | None:
    return next((looked.minutes for looked in looks if is_found(looked, fault)), None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this measurement."""
    parser.add_argument("--deployments", type=int, default=DEPLOYMENTS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=SEED, help="of the history (default: %(default)s)")
    parser.add_argument("--no-faults", action="store_true", help="only the healthy ones")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return, by deployment, what was found in it and after how long in its twins with a fault."""
    numbers = range(1, options.deployments + 1)
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    with watching(options.deployments, options.seed, () if options.no_faults else numbers) as watch:
        filled = time.perf_counter() - began
        for number in numbers:
            reference = watch.reference(watch.release(number))
            looks = list(watch.looks(number, reference))
            found = {
                fault: _found_after(watch.looks(number, reference, fault), fault)
                for fault in ({} if options.no_faults else FAULTS)
            }
            rows.append(_row(watch, number, reference, looks, found))
            print("  " + _line(rows[-1]), flush=True)
    return {"deployments": rows, "fill_seconds": filled, "seconds": time.perf_counter() - began}


def _row(
    watch: Watch, number: int, reference: Reference, looks: Sequence[Looked], found: Mapping[str, int | None]
) -> dict[str, Any]:
    return {
        "version": version(number),
        "deployed_at": f"{watch.plan.deployed_at(number):%H:%M}",
        "reference": reference.verdict.value,
        "verdicts": [looked.verdict.value for looked in looks],
        "findings": [
            f"{one.severity} {one.state} {one.service} {one.metric}: {one.reason}"
            for one in looks[-1].findings
        ],
        "found_after_minutes": dict(found),
    }


def _line(row: Mapping[str, Any]) -> str:
    after = [f"{minutes or 'never'}" for minutes in row["found_after_minutes"].values()]
    said = "; ".join(row["findings"]) or "no finding"
    cells = [row["version"], row["deployed_at"], row["reference"], _verdicts(row), said, *after]
    return "| " + " | ".join(cells) + " |"


def _verdicts(row: Mapping[str, Any]) -> str:
    verdicts = row["verdicts"]
    return f"{len(verdicts)} x {verdicts[0]}" if len(set(verdicts)) == 1 else ", ".join(verdicts)


def table(result: Mapping[str, Any]) -> str:
    """Return a row for each deployment as Markdown, and the sums."""
    rows = result["deployments"]
    faults = list(rows[0]["found_after_minutes"])
    heads = [f"{FAULTS[fault][0]} {fault}: found after, min" for fault in faults]
    lines = [
        "| release | deployed at, UTC | reference | verdicts of the looks | findings of the healthy one | "
        + "".join(f"{head} | " for head in heads),
        "|---|---|---|---|---|" + "---:|" * len(heads),
        *map(_line, rows),
        "",
        _sums(rows, faults, result),
    ]
    return "\n".join(lines)


def _sums(rows: Sequence[Mapping[str, Any]], faults: Sequence[str], result: Mapping[str, Any]) -> str:
    clean = sum(not row["findings"] for row in rows)
    text = f"{clean} of {len(rows)} healthy deployments end with no finding."
    for fault in faults:
        after = sorted(minutes for row in rows if (minutes := row["found_after_minutes"][fault]))
        by = f", half of them by {after[len(after) // 2]} min" if after else ""
        text += f" *{fault}*: {len(after)} of {len(rows)} found{by}."
    return f"{text} Writing the history took {result['fill_seconds']:.0f} s of {result['seconds']:.0f} s."
