"""A change of an alert, from the proposal to the rule in force: nothing happens without a person's Yes."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, chain
from airflow.sdk.exceptions import AirflowFailException

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.orchestration.operators.approval import ApprovalRequest
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps import tuning
from release_watch.orchestration.steps.tuning import Outcome, TuningRun

if TYPE_CHECKING:
    from airflow.sdk import Context

TAKE_BACK = "Take this change of an alert back, and put the former rule into force again? (yes/no)"


class TuningStep(BaseOperator):
    """Runs ``action``; what only a person can mend is refused at once, anything else is tried again.

    :param action: a function of the run; its name is the task id and its docstring the task's doc
    """

    def __init__(self, *, action: Callable[[TuningRun], str], **kwargs: Any) -> None:
        super().__init__(task_id=action.__name__, doc_md=inspect.getdoc(action), **kwargs)
        self.action = action

    def execute(self, context: Context) -> str:
        """Call the action, and note why if it refuses."""
        from release_watch.assurance.tuning.applying import NotApprovedError

        try:
            return self.action(TuningRun.of(context))
        except (InvalidInputError, NotApprovedError) as error:
            self._refused(context, error)
            raise AirflowFailException(str(error)) from error
        except ReleaseWatchError as error:
            self._refused(context, error)
            raise

    def _refused(self, context: Context, error: ReleaseWatchError) -> None:
        try:
            request = tuning.requested(context)
        except InvalidInputError:
            return  # there is no place to note it in: the params are what is wrong
        store = tuning.notes_of(request, context["ti"].run_id)
        tuning.note_outcome(store, Outcome.REFUSED, f"{error}")


class TuningApproval(ApprovalRequest):
    """Asks whether the rule is to be changed, and shows the change; no answer is No."""

    def execute(self, context: Context) -> Any:
        """Ask, and park until somebody answers or the time is over."""
        if tuning.requested(context).taking_back:
            self.question = TAKE_BACK
        return super().execute(context)

    def _run(self, context: Context) -> ProtocolRun:
        return TuningRun.of(context)

    def _evidence(self, run: ProtocolRun) -> tuple[str, str]:
        found = _tuning(run).evidence
        return found.uri, found.digest

    def _notes(self, run: ProtocolRun) -> tuple[str, ...]:
        from release_watch.assurance.tuning.telling import headline
        from release_watch.markdown import escape

        of = _tuning(run)
        return (escape(headline(of.evidence.proposal, taking_back=of.request.taking_back)),)

    def _details(self, run: ProtocolRun) -> str:
        from release_watch.assurance.tuning import telling
        from release_watch.markdown import code_block, escape

        of = _tuning(run)
        proposal, taking_back = of.evidence.proposal, of.request.taking_back
        lines = [*telling.evidence(proposal), *tuning.situation(of)]
        return (
            "".join(f"- {escape(line)}\n" for line in lines)
            + f"\n{code_block(chr(10).join(telling.before_and_after(proposal)))}\n"
            + f"\n{code_block(telling.change_diff(proposal, taking_back=taking_back), 'diff')}\n"
        )


class ConcludeTuning(BaseOperator):
    """Says in one line what became of the request; red if it was refused, or if nobody answered."""

    def execute(self, context: Context) -> str:
        """Seal the audit trail and return the outcome, or fail for good with the line."""
        from release_watch.artifacts.audit import AuditTrail

        try:
            request = tuning.requested(context)
        except InvalidInputError as error:
            raise AirflowFailException(f"{Outcome.REFUSED}: {error}") from error
        notes = tuning.notes_of(request, context["ti"].run_id)
        AuditTrail(notes).seal()
        found = tuning.outcome_of(notes)
        outcome, line = found or (Outcome.REFUSED, "no task came to an end; the log of the red one says why")
        told = f"{outcome}: {line}" if outcome in (Outcome.REFUSED, Outcome.UNANSWERED) else line
        told = f"{told} [{request.release_id}, {request.environment}]"
        log.log(logging.INFO if outcome.settled else logging.ERROR, "%s", told)
        if not outcome.settled:
            raise AirflowFailException(told)
        return outcome.name


def _tuning(run: ProtocolRun) -> TuningRun:
    if not isinstance(run, TuningRun):
        raise TypeError(f"{type(run).__name__} is no run of a tuning")
    return run


def tuning_tasks() -> None:
    """Add the tasks: shown, asked, changed, and what became of it."""
    present = TuningStep(action=tuning.present_change)
    approve = TuningApproval(
        task_id=tuning.QUESTION,
        role="sre",
        evidence="the proposal",
        question="Put this change of an alert into force? (yes/no)",
        doc_md=TuningApproval.__doc__,
    )
    # One at a time: a change is made of the rules as they are.
    change = TuningStep(action=tuning.change_rules, max_active_tis_per_dag=1)
    conclude = ConcludeTuning(task_id="conclude", doc_md=ConcludeTuning.__doc__)
    conclude.as_teardown(on_failure_fail_dagrun=True)
    chain(present, approve, change, conclude)
