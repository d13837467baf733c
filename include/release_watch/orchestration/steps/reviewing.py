"""What one review looks at: every source by itself, so that one that is away hides no other."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from release_watch.errors import ReleaseWatchError
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.instrumentation import REFERENCE
from release_watch.verdict import Objective, Verdict, worst

if TYPE_CHECKING:
    import pandas as pd

    from release_watch.artifacts.models import Review
    from release_watch.catalog.models import Service
    from release_watch.judge.judgement import ReleaseJudgement
    from release_watch.telemetry.prometheus_api import ActiveAlert
    from release_watch.watch.new_errors import KnownErrors
    from release_watch.watch.sightings import Heard

    Series = dict[tuple[str, str], pd.Series]

WATCH_REFERENCE = "records/watch-reference.parquet"
"""The reference with the samples of the services that the release calls and is not made of."""

KNOWN_ERRORS = "records/known-errors.json"


class Seen(NamedTuple):
    """What a review saw."""

    review: Review
    judgement: ReleaseJudgement
    samples: Series
    reference: Series
    alerts: tuple[ActiveAlert, ...] | None
    heard: Heard
    called: tuple[Service, ...]


def look(run: ProtocolRun, number: int, moment: datetime) -> Seen:
    """Ask every source once, store what was judged, and return what was seen."""
    from release_watch.baseline.review import beyond_release, dependencies_of
    from release_watch.judge.cases.stored import store_review
    from release_watch.watch.sightings import heard

    called = beyond_release(run.services, run.config.catalog.services)
    reference, stored_as = _reference(run, called)
    judged, judgement, samples = _judged(run, number, moment, reference, called)
    alerts, told = _alerts(run)
    others = heard([told, *_others(run, moment)])
    verdict = worst([judged.verdict, *(one.verdict for one in others.objectives)])
    objectives = (*judged.objectives, *others.objectives)
    looked = judged.model_copy(update={"verdict": verdict, "objectives": objectives})
    evidence = store_review(
        run.store,
        looked,
        run.release,
        judgement,
        policy=run.config.policies.judge,
        dependencies=dependencies_of([*run.services, *called]),
        samples=samples,
        reference=stored_as,
    )
    looked = looked.model_copy(update={"evidence": evidence.uri})
    return Seen(looked, judgement, samples, reference, alerts, others, called)


def _judged(
    run: ProtocolRun, number: int, moment: datetime, reference: Series, called: tuple[Service, ...]
) -> tuple[Review, ReleaseJudgement, Series]:
    from release_watch.artifacts.models import Review
    from release_watch.baseline.review import review
    from release_watch.judge.release import judge_release

    policies = run.config.policies
    try:
        return review(
            number, run.release, run.services, run.backends, reference, policies, moment, called=called
        )
    except ReleaseWatchError as error:
        objective = Objective(name="metrics", verdict=Verdict.INCONCLUSIVE, reason=str(error))
        nothing = judge_release((), policies.judge)
        looked = Review(number=number, at=moment, verdict=nothing.verdict, objectives=(objective,))
        return looked, nothing, {}


def _reference(run: ProtocolRun, called: tuple[Service, ...]) -> tuple[Series, str]:
    """Return the samples from before the release, and the name under which they lie in the store."""
    from release_watch.baseline.frames import from_parquet, to_parquet

    if run.store.exists(WATCH_REFERENCE):
        return from_parquet(run.store.read_bytes(WATCH_REFERENCE)), WATCH_REFERENCE
    if not run.store.exists(REFERENCE):
        log.error("There are no samples from before the release; clear the task capture_snapshot")
        return {}, REFERENCE
    own = from_parquet(run.store.read_bytes(REFERENCE))
    if not called:
        return own, REFERENCE
    try:
        together = {**_before(run, called), **own}
    except ReleaseWatchError as error:
        log.warning("The services that the release calls cannot be checked before blame: %s", error)
        return own, REFERENCE
    run.store.write_bytes(WATCH_REFERENCE, to_parquet(together))
    # Read again, so that this review sees exactly what a later one, or who judges it again, does.
    return from_parquet(run.store.read_bytes(WATCH_REFERENCE)), WATCH_REFERENCE


def _before(run: ProtocolRun, called: tuple[Service, ...]) -> Series:
    from release_watch.baseline.capture import reference_window
    from release_watch.baseline.frames import frames
    from release_watch.baseline.metrics import metric_specs

    policies = run.config.policies
    window, step = reference_window(run.release, policies), policies.baseline.step
    found: Series = {}
    for service in called:
        found |= frames(metric_specs([service], step=step), run.backends.metrics(service), window, step)
    return found


def _alerts(run: ProtocolRun) -> tuple[tuple[ActiveAlert, ...] | None, Heard]:
    from release_watch.telemetry.prometheus_api import alerts
    from release_watch.watch.sightings import Heard

    try:
        return tuple(alerts(run.backends.prometheus())), Heard()
    except ReleaseWatchError as error:
        objective = Objective(name="alerts", verdict=Verdict.INCONCLUSIVE, reason=str(error))
        return None, Heard((objective,))


def _others(run: ProtocolRun, moment: datetime) -> list[Heard]:
    from release_watch.watch.burn import budgets
    from release_watch.watch.trace_errors import trace_errors

    services = {service.name: service for service in run.services}
    slos = [slo for slo in run.config.slos if slo.service in services]
    return [
        budgets(slos, services, run.release, run.backends, moment),
        *_logs(run, moment),
        trace_errors(
            run.services,
            run.backends,
            version=run.release.version,
            deployed_at=run.release.deployed_at,
            length=run.release.review_interval,
            at=moment,
        ),
    ]


def _logs(run: ProtocolRun, moment: datetime) -> tuple[Heard, ...]:
    from release_watch.baseline.capture import reference_window
    from release_watch.watch.new_errors import Span, lookback, new_errors

    before = Span(*reference_window(run.release, run.config.policies))
    current = lookback(run.release.deployed_at, run.release.review_interval, moment)
    logs = new_errors(run.services, run.backends, known_errors(run), before, current)
    known = {service: one.model_dump(mode="json") for service, one in logs.known.items()}
    run.store.write_json(KNOWN_ERRORS, {"services": known})
    return logs.heard


def known_errors(run: ProtocolRun) -> dict[str, KnownErrors]:
    """Return what is known of the errors in the logs, by service."""
    from release_watch.watch.new_errors import KnownErrors

    if not run.store.exists(KNOWN_ERRORS):
        return {}
    kept = json.loads(run.store.read_bytes(KNOWN_ERRORS))["services"]
    return {service: KnownErrors.model_validate(one) for service, one in kept.items()}
