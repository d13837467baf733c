"""The rules of a release as they are in force: approved changes of alerts are carried over into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.storage import artifact_root, store_for

if TYPE_CHECKING:
    from release_watch.artifacts.store import ArtifactStore
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.assurance.tuning.kept import KeptTuning
    from release_watch.slo.rulefile import RuleGroup


def tuned_file(rule_set: str) -> str:
    """Return the name under which a rule set lies that was tuned after its release had activated it.

    What the release activated itself stays as it was: people signed it.
    """
    return f"records/tuned-{rule_set}.yaml"


def rules_in_force(store: ArtifactStore, rule_set: str, activated: str) -> str:
    """Return the text of a rule set: as tuned, else as the release's run activated it.

    Raises:
        ArtifactMissingError: if there is none.
    """
    tuned = tuned_file(rule_set)
    return store.read_text(tuned if store.exists(tuned) else activated)


def carried_over(run: ProtocolRun, groups: Sequence[RuleGroup], *, baseline: bool = False) -> list[RuleGroup]:
    """Return generated rules with the approved changes of their alerts in them; what does not fit is said.

    ``baseline``: they are the alerts against the release's baseline, which are made after all others.
    """
    from release_watch.assurance.tuning.carrying import carry_over
    from release_watch.assurance.tuning.kept import KeptTunings
    from release_watch.slo.baseline_rules import ALERT

    kept = KeptTunings(artifact_root(), run.release.environment).in_force(run.release.services)
    ours = [one for one in kept.tunings if one.last and (one.last.proposal.alert == ALERT) is baseline]
    done = carry_over(groups, ours)
    for applied in done.carried:
        log.info("Carried over: %s", applied.line)
        _record(run, "alert tuning carried over", applied.proposal.proposal_id, change=applied.line)
    for left_out in done.left_out:
        log.warning("%s", left_out.line)
        name = left_out.applied.proposal.proposal_id
        _record(run, "alert tuning not carried over", name, reason=left_out.line)
    for problem in kept.problems:
        log.error("An approved change of an alert cannot be read, and is not carried over: %s", problem)
        _record(run, "alert tuning not carried over", "unreadable", reason=problem)
    return done.groups


def as_approved(entry: ActiveRelease) -> dict[str, str]:
    """Return the registered rule sets of a release with what was approved, or taken back, since.

    To be put into force again once a later release was rolled back.
    """
    from release_watch.assurance.tuning.carrying import up_to_date
    from release_watch.assurance.tuning.kept import KeptTunings
    from release_watch.slo.rulefile import from_yaml, to_yaml

    kept = KeptTunings(artifact_root(), entry.release.environment).all()
    for problem in kept.problems:
        log.error("An approved change of an alert cannot be read, and is not carried over: %s", problem)
    found = {}
    for name, text in entry.rules.items():
        groups = from_yaml(text)
        now_so = up_to_date(groups, kept.tunings).groups
        found[name] = text if now_so == groups else to_yaml(now_so)
    return found


def register_tuned(entry: ActiveRelease, rule_set: str, text: str) -> None:
    """Have the night compare with what was approved, and the release's own run take it for its rules.

    Raises:
        InvalidInputError: if the release is not registered with this rule set.
    """
    from release_watch.assurance.registry import ActiveReleases

    release = entry.release
    ActiveReleases(artifact_root()).replace_rules(release.environment, release.release_id, rule_set, text)
    store_for(release).write_text(tuned_file(rule_set), text)


def tuned_alerts(run: ProtocolRun) -> tuple[KeptTuning, ...]:
    """Return the approved changes in force of the alerts of the release's services."""
    from release_watch.assurance.tuning.kept import KeptTunings

    return KeptTunings(artifact_root(), run.release.environment).in_force(run.release.services).tunings


def _record(run: ProtocolRun, event: str, name: str, **details: str) -> None:
    run.record(event, f"{run.task_id}-{name}-{event.replace(' ', '-')}", **details)
