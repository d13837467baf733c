"""The steps of a change of an alert: shown, approved, put into force or taken back, and told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from airflow.sdk.exceptions import AirflowSkipException

from release_watch.assurance.tuning.request import TuningRequest
from release_watch.clock import now, rfc3339
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.activation import READ_BACK_WITHIN, tell_activation
from release_watch.orchestration.steps.answers import YES, answer_on_record
from release_watch.orchestration.steps.tuned_rules import register_tuned
from release_watch.orchestration.storage import artifact_root, store_for

if TYPE_CHECKING:
    from airflow.sdk import Context

    from release_watch.artifacts.models import Approval
    from release_watch.artifacts.store import ArtifactStore
    from release_watch.assurance.registry import ActiveRelease
    from release_watch.assurance.tuning.kept import Applied, KeptTunings, TakenBack
    from release_watch.assurance.tuning.proposal import TuningProposal

QUESTION = "approve_change"
OUTCOME = "records/outcome.json"
RUNS = "tuning-runs"


class Outcome(StrEnum):
    """What became of the request."""

    IN_FORCE = "in force"
    TAKEN_BACK = "taken back"
    REJECTED = "rejected"
    UNANSWERED = "nobody answered"
    REFUSED = "refused"

    @property
    def settled(self) -> bool:
        """Whether the request was dealt with as people decided; else somebody has to do something."""
        return self in (Outcome.IN_FORCE, Outcome.TAKEN_BACK, Outcome.REJECTED)


class Evidence(NamedTuple):
    """What a person decides on: the change, and the document that holds it."""

    proposal: TuningProposal
    document: bytes
    uri: str

    @property
    def digest(self) -> str:
        """The SHA-256 of the document."""
        return hashlib.sha256(self.document).hexdigest()


@dataclass(frozen=True)
class TuningRun(ProtocolRun):
    """What every task works with: the request, and the release under watch that it names.

    ``store`` holds the notes of this very run, so that no answer is taken for that of another run.
    """

    request: TuningRequest
    entry: ActiveRelease

    @classmethod
    def of(cls, context: Context) -> TuningRun:
        """Return the run that ``context`` belongs to.

        Raises:
            InvalidInputError: if the params are wrong, or the release is not under watch (any more).
        """
        from release_watch.assurance.registry import ActiveReleases
        from release_watch.assurance.tuning.standing import release_to_tune

        request = requested(context)
        registry = ActiveReleases(artifact_root())
        entry = release_to_tune(registry, request.environment, request.release_id)
        ti = context["ti"]
        store = notes_of(request, ti.run_id)
        return cls(entry.release, ti.run_id, ti.task_id, store, request, entry)

    @property
    def tunings(self) -> KeptTunings:
        """What was put into force in the environment."""
        from release_watch.assurance.tuning.kept import KeptTunings

        return KeptTunings(artifact_root(), self.request.environment)

    @property
    def release_store(self) -> ArtifactStore:
        """The artifacts of the release."""
        return store_for(self.entry.release)

    @property
    def evidence(self) -> Evidence:
        """What is decided on: the proposal of the release's store, or what is kept of it once in force.

        Raises:
            InvalidInputError: if it is not there, or was taken back.
        """
        from release_watch.assurance.tuning.applying import in_force
        from release_watch.assurance.tuning.proposal import read_proposal
        from release_watch.assurance.tuning.standing import stored_proposal

        name = self.request.proposal_id
        if self.request.taking_back:
            kept = self.tunings.known(name)
            return Evidence(in_force(kept).proposal, kept.document(), self.tunings.uri_of(name))
        document = stored_proposal(self.release_store, self.request)
        return Evidence(read_proposal(document), document, self.release_store.uri_of(self.request.stored_as))

    def conclude(self, outcome: Outcome, line: str) -> str:
        """Note what became of the request, for the last task, and return it."""
        note_outcome(self.store, outcome, line)
        self.record(f"alert tuning {outcome}", f"outcome-{now():%Y%m%dT%H%M%S%f}", line=line)
        return outcome.name


def requested(context: Context) -> TuningRequest:
    """Return what the run's params ask for; parameters that are not known are refused.

    Raises:
        InvalidInputError: naming each field that is wrong, and its value.
    """
    conf = dict(getattr(context["dag_run"], "conf", None) or {})
    return TuningRequest.from_params({**conf, **dict(context["params"])})


def notes_of(request: TuningRequest, run_id: str) -> ArtifactStore:
    """Return the store of a run's own notes."""
    from release_watch.artifacts.store import ArtifactStore

    key = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return ArtifactStore(artifact_root() / RUNS, request.environment, f"{request.proposal_id}.{key}")


def note_outcome(store: ArtifactStore, outcome: Outcome, line: str) -> None:
    """Keep what became of the request."""
    store.write_json(OUTCOME, {"outcome": outcome.value, "line": line, "at": rfc3339(now())})


def outcome_of(store: ArtifactStore) -> tuple[Outcome, str] | None:
    """Return what became of a request; None if nothing did."""
    if not store.exists(OUTCOME):
        return None
    noted = json.loads(store.read_bytes(OUTCOME))
    return Outcome(noted["outcome"]), str(noted["line"])


def present_change(run: TuningRun) -> str:
    """Show the change: diff, back-test, and where its picture is; refuse what cannot be made."""
    from release_watch.assurance.tuning import telling

    run.store.remove(OUTCOME)
    found = run.evidence
    rule_set = _rule_set(run, found.proposal)
    taking_back = run.request.taking_back
    log.info("%s", telling.headline(found.proposal, taking_back=taking_back))
    log.info("Release %s, rule set %s", run.release.release_id, rule_set or "none holds it any more")
    log.info("\n%s", telling.change_diff(found.proposal, taking_back=taking_back))
    log.info("\n%s", "\n".join(telling.before_and_after(found.proposal)))
    for line in (*telling.evidence(found.proposal), *situation(run)):
        log.info("%s", line)
    log.info("Proposal: %s, SHA-256 %s", found.uri, found.digest)
    run.record("alert tuning asked for", action=run.request.action, uri=found.uri, sha256=found.digest)
    return found.uri


def situation(run: TuningRun) -> Iterator[str]:
    """Yield what else a person should know before answering."""
    proposal = run.evidence.proposal
    picture = f"tuning/{_key(proposal)}.png"
    if run.release_store.exists(picture):
        yield f"Picture: {run.release_store.uri_of(picture)}"
    kept = run.tunings.get(proposal.proposal_id)
    if kept is not None and kept.last is not None:
        yield f"As of now: {kept.last.line}"


def change_rules(run: TuningRun) -> str:
    """Put the approved change into force, or take it back; without a person's Yes do nothing."""
    answer = answer_on_record(run, QUESTION)
    who = f"{answer.responded_by} ({answer.role})"
    if not answer.responded_by:
        run.conclude(Outcome.UNANSWERED, f"nobody ({answer.role}) answered in time, so nothing was changed")
        raise AirflowSkipException(f"nobody ({answer.role}) answered in time")
    if answer.answer != YES:
        run.conclude(Outcome.REJECTED, f"rejected by {who}; nothing was changed")
        raise AirflowSkipException(f"rejected by {who}")
    return _take_back(run, answer) if run.request.taking_back else _put_into_force(run, answer)


def _put_into_force(run: TuningRun, approval: Approval) -> str:
    from release_watch.assurance.tuning.applying import apply_proposal, changed_rules
    from release_watch.assurance.tuning.kept import Applied

    kept = run.tunings.get(run.request.proposal_id)
    if kept and kept.last and kept.last.approval == approval:  # an earlier try got as far as keeping it
        return run.conclude(Outcome.IN_FORCE, _in_force(kept.last))
    found = run.evidence
    rule_set = _rule_set(run, found.proposal)
    registered = changed_rules(found.proposal, run.entry.rules[str(rule_set)])
    activation = apply_proposal(
        found.document, approval, str(rule_set), run.backends, timeout=READ_BACK_WITHIN
    )
    tell_activation(activation)
    register_tuned(run.entry, str(rule_set), registered)
    applied = Applied(
        proposal=found.proposal,
        digest=found.digest,
        approval=approval,
        release_id=run.release.release_id,
        rule_set=str(rule_set),
        applied_at=now(),
        state=activation.state,
    )
    last = run.tunings.put_into_force(applied).last
    return run.conclude(Outcome.IN_FORCE, _in_force(last or applied))


def _take_back(run: TuningRun, approval: Approval) -> str:
    from release_watch.assurance.tuning.applying import check_withdrawal, former_rules, in_force, take_back
    from release_watch.assurance.tuning.kept import TakenBack

    kept = run.tunings.known(run.request.proposal_id)
    done = next((one for one in kept.taken_back if one.approval == approval), None)
    if done is not None:
        return run.conclude(Outcome.TAKEN_BACK, _taken_back(done))
    last = in_force(kept)
    check_withdrawal(kept, approval)
    rule_set, state = _rule_set(run, last.proposal), "not in force"
    if rule_set is not None:
        registered = former_rules(last.proposal, run.entry.rules[rule_set])
        activation = take_back(kept, approval, rule_set, run.backends, timeout=READ_BACK_WITHIN)
        tell_activation(activation)
        register_tuned(run.entry, rule_set, registered)
        state = activation.state
    taken = TakenBack.model_validate(
        {
            "applied": last,
            "approval": approval,
            "release_id": run.release.release_id,
            "taken_back_at": now(),
            "state": state,
        }
    )
    run.tunings.take_back(taken)
    return run.conclude(Outcome.TAKEN_BACK, _taken_back(taken))


def _rule_set(run: TuningRun, proposal: TuningProposal) -> str | None:
    """Return the rule set to change; None if a change that is taken back is not in the rules any more."""
    from release_watch.assurance.registry import ActiveReleases
    from release_watch.assurance.tuning import standing

    standing.check_service(run.entry, proposal, ActiveReleases(artifact_root()))
    if run.request.taking_back:
        return standing.rule_set_holding(run.entry, proposal, proposal.proposed, proposal.current)
    return standing.rule_set_to_tune(run.entry, proposal)


def _in_force(applied: Applied) -> str:
    waits = "; it was handed over and is not live yet" if applied.state != "active" else ""
    return f"{applied.line}{waits}"


def _taken_back(taken: TakenBack) -> str:
    proposal, who = taken.applied.proposal, taken.approval
    what = {
        "active": "the former rule is in force again",
        "pending adoption": "the former rule was handed over and is not live yet",
        "not in force": "no rule of the release had it in it any more",
    }[taken.state]
    return (
        f"{proposal.alert} of {proposal.service}: {proposal.change}: taken back, approved by "
        f"{who.responded_by} ({who.role}); {what}, {proposal.proposal_id}"
    )


def _key(proposal: TuningProposal) -> str:
    """Return what the pictures of a rule are called; see ``BackTest.key``."""
    from release_watch.assurance.tuning.proposal import proposal_id

    return proposal_id(proposal.current, "for").replace("tune-", "rule-")
