"""Which release may be tuned, and which of its rule sets holds the rule: nothing that is superseded."""

from __future__ import annotations

from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance.registry import ActiveRelease, ActiveReleases
from release_watch.assurance.tuning.kept import KeptTuning
from release_watch.assurance.tuning.matching import places
from release_watch.assurance.tuning.proposal import TuningProposal, read_proposal
from release_watch.assurance.tuning.request import TuningRequest
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import Rule, from_yaml

PROPOSALS = "tuning/tune-"


def release_to_tune(registry: ActiveReleases, environment: str, release_id: str) -> ActiveRelease:
    """Return the release under watch.

    Raises:
        InvalidInputError: if it is not registered, was retired, or has no service any more.
    """
    watched = registry.all(environment)
    for entry in watched:
        if entry.release.release_id == release_id:
            return entry
    if reason := registry.retirement(environment, release_id):
        why = f"was retired: {reason}"
    else:
        known = ", ".join(entry.release.release_id for entry in watched) or "none"
        why = f"is not registered, or superseded; under watch in {environment}: {known}"
    raise InvalidInputError([f"release_id: {release_id!r} {why}; its alerts are not tuned"])


def stored_proposal(store: ArtifactStore, request: TuningRequest) -> bytes:
    """Return the proposal as the release's run, or a back-test after it, wrote it.

    Raises:
        InvalidInputError: if it is not there, or is another one.
    """
    name = request.stored_as
    if not store.exists(name):
        known = [one.removeprefix("tuning/").removesuffix(".json") for one in store.names(PROPOSALS)]
        found = f"proposal_id: {request.proposal_id!r}: {store.uri_of(name)} is not there"
        raise InvalidInputError([f"{found}; this release has {', '.join(known) or 'no proposal'}"])
    document = store.read_bytes(name)
    proposal = read_proposal(document)
    if proposal.proposal_id != request.proposal_id:
        named = f"{store.uri_of(name)} holds {proposal.proposal_id}"
        raise InvalidInputError([f"proposal_id: {request.proposal_id!r}: {named}; run the back-test again"])
    return document


def check_service(entry: ActiveRelease, proposal: TuningProposal, registry: ActiveReleases) -> None:
    """Refuse to tune the alert of a service that another release has taken over.

    Raises:
        InvalidInputError: if it has.
    """
    if not proposal.service or proposal.service in entry.services:
        return
    owner = next(
        (one for one in registry.all(entry.release.environment) if proposal.service in one.services), None
    )
    now = f"release {owner.release.release_id} has taken it over" if owner else "no release watches it"
    raise InvalidInputError(
        [
            f"release_id: {entry.release.release_id!r} does not watch {proposal.service}: {now}; have a "
            "change of its alerts proposed there"
        ]
    )


def rule_set_holding(entry: ActiveRelease, proposal: TuningProposal, *rules: Rule) -> str | None:
    """Return the registered rule set that has one of ``rules`` as tested; None if none has."""
    for name, text in entry.rules.items():
        groups = from_yaml(text)
        if any(True for rule in rules for _ in places(groups, proposal.group, rule)):
            return name
    return None


def rule_set_to_tune(entry: ActiveRelease, proposal: TuningProposal) -> str:
    """Return the registered rule set whose rule is as it was tested, or as proposed already.

    Raises:
        InvalidInputError: if there is none.
    """
    name = rule_set_holding(entry, proposal, proposal.current, proposal.proposed)
    if name is None:
        raise InvalidInputError(
            [
                f"{proposal.proposal_id}: release {entry.release.release_id} has no rule {proposal.alert} in "
                f"group {proposal.group} as it was tested; run the back-test again"
            ]
        )
    return name


def namesakes(entry: ActiveRelease, proposal: TuningProposal) -> int:
    """Return how many alerts of the release have the name and the service of the proposal's."""
    return sum(
        rule.alert == proposal.alert and (rule.service or "") == proposal.service
        for text in entry.rules.values()
        for group in from_yaml(text)
        for rule in group.rules
        if not rule.labels.get("drill")
    )


def holds(entry: ActiveRelease, tuning: KeptTuning) -> bool:
    """Return whether the release's rules, as they are registered, have the change in them."""
    last = tuning.last
    return last is not None and rule_set_holding(entry, last.proposal, last.proposal.proposed) is not None
