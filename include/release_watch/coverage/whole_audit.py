"""The whole audit: the signals, what alerts, panels and SLOs read, and how good the instrumentation is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from release_watch.artifacts.models import CoverageStatus, InstrumentationAudit, Reference
from release_watch.catalog.config import Config
from release_watch.catalog.models import Catalog, Service
from release_watch.catalog.slos import Slo
from release_watch.coverage.audit import audit
from release_watch.coverage.blindness import is_blind
from release_watch.coverage.instrumentation_score import score
from release_watch.coverage.plausibility import check_plausibility
from release_watch.coverage.questions import Question
from release_watch.coverage.reads import Reads, reads_of_boards, reads_of_rules, reads_of_slos, recorded_names
from release_watch.coverage.references import check_references, undecided
from release_watch.dashboards.build import dashboards
from release_watch.errors import BackendError, NotConfiguredError
from release_watch.release import Release
from release_watch.slo.red import find_metric_names
from release_watch.slo.rules import rule_groups
from release_watch.telemetry.backends import Backends
from release_watch.verdict import Verdict


class Readers(NamedTuple):
    """What is going to read the telemetry of a release."""

    reads: Sequence[Reads] = ()
    slos: Sequence[Slo] = ()


def whole_audit(
    release: Release,
    services: Sequence[Service],
    backends: Backends,
    config: Config,
    *,
    endpoints: Mapping[str, Sequence[str]],
    at: datetime,
) -> InstrumentationAudit:
    """Return the audit of the signals together with references and Instrumentation Scores, as of ``at``.

    Audited are ``services`` and what they call directly; alerts, panels and SLOs are those of ``services``.
    An alert or SLO of a critical service that reads series which do not exist can never fire: the verdict is
    NO_GO. Panels, other services, and what could not be told lower a GO to WARN. The scores only advise.

    Raises:
        InvalidInputError: if ``at`` is not after the deployment.
    """
    policy = config.policies.coverage
    concerned = with_dependencies(services, config.catalog)
    found = audit(release, concerned, backends, endpoints=endpoints, policy=policy, at=at)
    references = _references(release, services, backends, config, Question(release, at, policy, endpoints))
    scores = score(release, concerned, backends, policy=policy, at=at)
    critical = {service.name for service in concerned if service.critical}
    return found.model_copy(
        update={
            "verdict": _verdict(found.verdict, references, critical),
            "references": references,
            "services": tuple(
                entry.model_copy(update={"instrumentation": scores.get(entry.service)})
                for entry in found.services
            ),
        }
    )


def with_dependencies(services: Sequence[Service], catalog: Catalog) -> tuple[Service, ...]:
    """Return the services, then those that they call and that are not among them."""
    names = {service.name for service in services}
    called = dict.fromkeys(name for service in services for name in service.dependencies)
    return (*services, *catalog.select(name for name in called if name not in names))


def readers_of(release: Release, services: Sequence[Service], backends: Backends, config: Config) -> Readers:
    """Return what would be activated for the release now: alerts, panels, and the SLOs of its services.

    Raises:
        BackendError: if a metrics server does not answer.
        NotConfiguredError: if one is not configured.
    """
    names = find_metric_names(services, backends)
    groups = rule_groups(config.slos, services, release, runbook_url="", dashboard_url="", metric_names=names)
    boards = dashboards(release, services, config.slos, metric_names=names)
    of_panels = reads_of_boards(boards, recorded_names(groups), [service.name for service in services])
    slos = config.slos_of(service.name for service in services)
    return Readers([*reads_of_rules(groups), *of_panels], slos)


def _references(
    release: Release, services: Sequence[Service], backends: Backends, config: Config, question: Question
) -> tuple[Reference, ...]:
    """Return the references; where the server does not answer, those of the SLOs as undecided."""
    slos = config.slos_of(service.name for service in services)
    try:
        readers = readers_of(release, services, backends, config)
        metrics = backends.metrics()
        return (
            *check_references(readers.reads, metrics, question),
            *check_plausibility(readers.slos, metrics, question),
        )
    except NotConfiguredError as error:
        return undecided(reads_of_slos(slos), f"no connection {error.conn_id}", str(error))
    except BackendError as error:
        remedy = "see that Prometheus runs, then run the audit again"
        return undecided(reads_of_slos(slos), str(error), remedy)


def _verdict(signals: Verdict, references: Sequence[Reference], critical: set[str]) -> Verdict:
    if not signals.proceeds:
        return signals
    open_ones = [one for one in references if one.check.status is not CoverageStatus.PASS]
    if any(is_blind(one, critical) for one in open_ones):
        return Verdict.NO_GO
    return Verdict.WARN if open_ones else signals
