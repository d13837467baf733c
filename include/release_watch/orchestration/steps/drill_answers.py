"""Who is asked to answer a drill, and who has: levels of escalation, pages, acknowledgements."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from release_watch.clock import now
from release_watch.orchestration.notifiers.people import tell
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.answers import NO, YES, answer_on_record
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from release_watch.artifacts.models import Approval, DrillResult
    from release_watch.catalog.oncall import Paging
    from release_watch.drills.escalation import Turn
    from release_watch.drills.receipts import Acknowledgement, Receipts
    from release_watch.drills.receivers.receiver import Receivers

QUESTIONS = ("acknowledge_drill", "escalate_drill", "escalate_drill_further")
"""The tasks that ask, one per level of escalation; a release with more levels asks the first three."""
ASKED_HERE = frozenset({"embedded", "mail"})
"""Kinds of receivers where nobody can answer, so that a question in Airflow takes the answer."""


class Level(NamedTuple):
    """A level whose turn it is: whom to ask, and until when."""

    paging: Paging
    turn: Turn


def receipts() -> Receipts:
    """Return the receipts that the receiver endpoint records."""
    from release_watch.drills.receipts import Receipts

    return Receipts.under(artifact_root())


def receivers(run: ProtocolRun) -> Receivers:
    """Return the receivers of the release's alerts: the endpoint's records, and other systems' own.

    Raises:
        NotConfiguredError: if policies.yaml names a receiver whose connection is missing.
    """
    return run.backends.receivers(receipts(), run.config.policies.drill.receivers)


def paging_order(run: ProtocolRun, drills: Sequence[DrillResult]) -> tuple[Paging, ...]:
    """Return whom the drills page in turn: as it was when they were fired."""
    from release_watch.drills.escalation import due_of

    fired = [due for drill in drills if (due := due_of(drill)) is not None]
    return run.config.oncall.paging_order(min(fired, default=now()))


def level_to_ask(run: ProtocolRun, drills: Sequence[DrillResult], position: int) -> Level | None:
    """Return the level at ``position`` (from 1) if it is its turn to answer, else None.

    Nobody's turn it is once anybody has answered one of the questions: a No is an answer too.
    """
    from release_watch.drills.escalation import whose_turn

    order, known = paging_order(run, drills), receivers(run)
    if len(order) < position or any(answer.responded_by for answer in _answers(run)):
        return None
    paging = order[position - 1]
    target = run.config.policies.drill.acknowledge_within
    for drill in asked_here(run, drills):
        given = known.acknowledgement(drill.drill_id)
        turn = whose_turn(drill, order, known.pages(drill.drill_id), given, target=target, at=now())
        if turn is not None and turn.level == paging.level:
            return Level(paging, turn)
    return None


def asked_here(run: ProtocolRun, drills: Sequence[DrillResult]) -> list[DrillResult]:
    """Return the delivered pages that nobody can answer at their receivers, so that Airflow asks."""
    return [drill for drill in delivered_pages(drills) if not answered_elsewhere(run, drill)]


def delivered_pages(drills: Sequence[DrillResult]) -> list[DrillResult]:
    """Return the drills that somebody has to acknowledge."""
    return [drill for drill in drills if drill.severity == "page" and drill.hops.delivered.at]


def answered_elsewhere(run: ProtocolRun, drill: DrillResult) -> bool:
    """Return whether a receiver of the drill takes the acknowledgement itself."""
    from release_watch.drills.judging import receivers_of

    settings = run.config.policies.drill.receivers
    kinds = {settings[name].kind if name in settings else "embedded" for name in receivers_of(drill)}
    return bool(kinds - ASKED_HERE)


def note_pages(run: ProtocolRun, drills: Sequence[DrillResult], *, channel: str, proof: str) -> None:
    """Record that the level whose turn it is was paged: without a record it did not happen."""
    from release_watch.drills.escalation import pages_due

    due = pages_due(
        drills,
        paging_order(run, drills),
        receivers(run),
        target=run.config.policies.drill.acknowledge_within,
        at=now(),
        channel=channel,
        proof=proof,
    )
    for page in due:
        receipts().record_page(page)
        log.info("DRILL %s: level %d (%s) was paged: %s", page.drill_id, page.level, page.role, page.person)
        run.record(
            "drill escalated",
            f"page-{page.drill_id}-{page.level}",
            drill=page.drill_id,
            level=page.level,
            person=page.person,
            proof=proof,
        )


def page_the_silent_level(run: ProtocolRun, drills: Sequence[DrillResult]) -> None:
    """Tell the next level of drills that no question asks about, once the level before was silent.

    A receiver that escalates by itself, as PagerDuty does, is left to do so: that is what is tested.
    """
    from release_watch.drills.escalation import pages_due

    ours = [drill for drill in delivered_pages(drills) if not _escalates_itself(run, drill)]
    order = paging_order(run, ours)
    target = run.config.policies.drill.acknowledge_within
    due = pages_due(ours, order, receivers(run), target=target, at=now(), channel="notice")
    for level in sorted({page.level for page in due}):
        paging = next(one for one in order if one.level == level)
        waiting = [drill for drill in ours if drill.drill_id in {p.drill_id for p in due if p.level == level}]
        names = ", ".join(drill.drill_id for drill in waiting)
        told = tell(
            run,
            paging.role,
            f"DRILL, no real incident: nobody has acknowledged {names}",
            f"DRILL: level {level - 1} did not answer. Acknowledge {names} where your alerts arrive, or with "
            "POST /release-watch/drills/<drill id>/acknowledge.",
            [paging.person],
        )
        if told:
            note_pages(run, waiting, channel="notice", proof="; ".join(told))


def answers(run: ProtocolRun, drills: Sequence[DrillResult]) -> Mapping[str, Acknowledgement]:
    """Return the acknowledgements that were given in Airflow, by drill id."""
    from release_watch.drills.receipts import Acknowledgement

    for answer in _answers(run):
        if answer.answer == YES and answer.responded_by and answer.responded_at:
            given = Acknowledgement(answer.responded_by, answer.responded_at)
            return {drill.drill_id: given for drill in asked_here(run, drills)}
    return {}


def refused_by(run: ProtocolRun) -> str | None:
    """Return who answered No to a drill's question, None if nobody did."""
    no = [answer.responded_by for answer in _answers(run) if answer.answer == NO and answer.responded_by]
    return no[0] if no else None


def _escalates_itself(run: ProtocolRun, drill: DrillResult) -> bool:
    from release_watch.drills.judging import receivers_of

    settings = run.config.policies.drill.receivers
    return any(settings[name].kind == "pagerduty" for name in receivers_of(drill) if name in settings)


def _answers(run: ProtocolRun) -> list[Approval]:
    return [
        answer_on_record(run, task) for task in QUESTIONS if run.store.exists(f"records/approval-{task}.json")
    ]
