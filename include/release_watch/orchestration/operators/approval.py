"""A question to a named person, with a digest of the evidence; no answer is No."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator

from release_watch.clock import in_words, now
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.answers import NO, YES, answer_on_record
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

    from release_watch.artifacts.models import Approval
    from release_watch.catalog.oncall import Person

LONGEST_WAIT = timedelta(hours=24)


class ApprovalRequest(HITLOperator):
    """Asks the people on duty in ``role`` and keeps the answer beside the artifacts.

    Airflow reports a timeout as success with the default answer. Here the default is No, and the
    answer that is kept names the person, so the next task can tell the two apart.

    :param role: role in ``oncall.yaml`` whose people may answer
    :param evidence: artifact that the answer is about; its URI and SHA-256 stand in the question
    :param question: one sentence
    """

    template_fields: Sequence[str] = ("subject", "body")

    def __init__(self, *, role: str, evidence: str, question: str, **kwargs: Any) -> None:
        kwargs.setdefault("response_timeout", LONGEST_WAIT)
        super().__init__(
            subject=question,
            options=[YES, NO],
            defaults=[NO],
            body="",
            **kwargs,
        )
        self.role = role
        self.evidence = evidence
        self.question = question

    def execute(self, context: Context) -> Any:
        """Ask, and park until somebody answers or the time is over; in shadow mode ask nobody."""
        run = self._run(context)
        asked = self._asked(run)
        if run.release.shadow:
            log.info("Shadow mode: would have asked %s: %s", self.role, self.question)
            return self._keep(run, asked)
        people = self._people(run)
        self.assigned_users = [{"id": person.user, "name": person.name} for person in people]
        self.response_timeout = self._patience(run)
        self.subject = f"{self.question} [{run.release.release_id}, {run.release.environment}]"
        self.body = question_body(
            run, asked, [person.name for person in people], self.response_timeout, self._notes(run)
        )
        self.body += self._details(run)
        run.store.write_json(f"records/approval-{self._name}.json", asked)
        log.info("%s\nAssigned to %s", self.subject, ", ".join(person.user for person in people))
        self._told(run, people, tell(run, self.role, self.subject, self.body, people))
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:
        """Keep the answer and return its verdict; only a Yes of a person is GO."""
        run = self._run(context)
        payload = super().execute_complete(context, event)
        user = payload["responded_by_user"]
        asked = answer_on_record(run, self._name)
        return self._keep(
            run,
            asked.model_copy(
                update={
                    "answer": payload["chosen_options"][0] if user else None,
                    "responded_by": user["id"] if user else None,
                    "responded_at": payload["responded_at"] if user else None,
                }
            ),
        )

    @property
    def _name(self) -> str:
        return self.task_id.rsplit(".", 1)[-1]

    def _run(self, context: Context) -> ProtocolRun:
        return ProtocolRun.of(context)

    def _asked(self, run: ProtocolRun) -> Approval:
        from release_watch.artifacts.models import Approval

        uri, sha256 = self._evidence(run)
        return Approval(
            role=self.role,
            task=self._name,
            answer=None,
            responded_by=None,
            responded_at=None,
            evidence_uri=uri,
            evidence_sha256=sha256,
        )

    def _evidence(self, run: ProtocolRun) -> tuple[str, str]:
        """Return the URI and the SHA-256 of what the answer is about."""
        evidence = run.store.digest(self.evidence)
        return evidence.uri, evidence.sha256

    def _patience(self, run: ProtocolRun) -> timedelta:
        return run.config.policies.approvals.timeout

    def _people(self, run: ProtocolRun) -> Sequence[Person]:
        """Return who is asked: everyone of the role, as a question may wait for longer than a shift."""
        return run.config.oncall.people(self.role)

    def _notes(self, run: ProtocolRun) -> Sequence[str]:  # noqa: ARG002 - for questions that have some
        """Return what else the person should know, a line each."""
        return ()

    def _details(self, run: ProtocolRun) -> str:  # noqa: ARG002 - for questions that have some
        """Return Markdown that follows what every question says."""
        return ""

    def _told(self, run: ProtocolRun, people: Sequence[Person], told: Sequence[str]) -> None:
        """Take note of how the people were told of the question."""

    def _keep(self, run: ProtocolRun, answer: Approval) -> str:
        run.store.write_json(f"records/approval-{self._name}.json", answer)
        said = f"{answer.answer!r} by {answer.responded_by}" if answer.responded_by else "no answer"
        log.info("%s: %s", self.question, said)
        run.record(
            "approval answered",
            f"{self.task_id}-{(answer.responded_at or now()):%Y%m%dT%H%M%S}",
            approval=answer.model_dump(mode="json"),
        )
        verdict = Verdict.GO if answer.answer == YES and answer.responded_by else Verdict.NO_GO
        return verdict.value


def question_body(
    run: ProtocolRun, asked: Approval, people: Sequence[str], patience: timedelta, notes: Sequence[str] = ()
) -> str:
    """Return the Markdown that the asked person sees; ``notes`` come first."""
    release = run.release
    return "".join(f"**{note}**\n\n" for note in notes) + (
        f"Release **{release.release_id}** (version {release.version}, {release.environment}) of "
        f"{', '.join(release.services)}.\n\n"
        f"- Evidence: `{asked.evidence_uri}`\n"
        f"- SHA-256: `{asked.evidence_sha256}`\n"
        f"- Asked: {', '.join(people)} ({asked.role})\n"
        f"- No answer within {in_words(patience)} counts as No.\n"
    )
