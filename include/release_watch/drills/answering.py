"""What the answer to an escalated drill is worth, in words: who gave it, and who was silent before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from release_watch.artifacts.models import EscalationStep
from release_watch.clock import in_words, rfc3339
from release_watch.verdict import Verdict

if TYPE_CHECKING:
    from release_watch.drills.receipts import Acknowledgement


def shortcoming(steps: Sequence[EscalationStep], answer: Acknowledgement) -> tuple[Verdict, str] | None:
    """Return what the answer leaves to be desired; None if the first level gave it in its time.

    ``steps`` are those of :func:`escalation_of`; without any, nothing is known to be wrong.
    """
    if not steps:
        return None
    answering = next((step for step in steps if step.acknowledged.at is not None), None)
    if answering is None:
        asked = ", ".join(_name(step) for step in steps)
        return Verdict.NO_GO, (
            f"Acknowledged by {answer.by} at {rfc3339(answer.at)}, whom nobody paged: on call was {asked}. "
            "That does not prove that the page reaches them: ask whether they saw it, give their address in "
            "oncall.yaml as the receiver knows it, and drill again."
        )
    before = [step for step in steps if step.level < answering.level]
    return _unpaged(answering, before, answer) or (_silent(answering, before) if before else _late(answering))


def _unpaged(
    answering: EscalationStep, before: Sequence[EscalationStep], answer: Acknowledgement
) -> tuple[Verdict, str] | None:
    if not _told(answering, answer.at):
        silent = f" {_opening(before[0])} did not answer." if before else ""
        return Verdict.NO_GO, (
            f"{_opening(answering)} answered, but was never paged: no page to it before "
            f"{rfc3339(answer.at)} is on record, so nothing proves that an unanswered page is escalated."
            f"{silent} Check the escalation in oncall.yaml and in the pager, and drill again."
        )
    if skipped := [step for step in before if not _told(step, answer.at)]:
        return Verdict.NO_GO, (
            f"{_opening(answering)} answered, but {_names(skipped)} was never paged before it: the "
            "escalation left a level out. Check it in oncall.yaml and in the pager, and drill again."
        )
    return None


def _silent(answering: EscalationStep, before: Sequence[EscalationStep]) -> tuple[Verdict, str]:
    silent = " and ".join(
        f"{_name(step)} did not answer within {in_words(timedelta(seconds=step.within_seconds))}"
        for step in before
    )
    return Verdict.WARN, (
        f"{silent[0].upper()}{silent[1:]}; {_name(answering)} was paged and acknowledged. The escalation "
        f"works; find out why {_persons(before)} did not answer."
    )


def _late(answering: EscalationStep) -> tuple[Verdict, str] | None:
    late = (answering.acknowledged.latency or 0) - (answering.paged.latency or 0) - answering.within_seconds
    if late <= 0:
        return None
    return Verdict.WARN, (
        f"{_opening(answering)} answered {in_words(timedelta(seconds=late))} after its time of "
        f"{in_words(timedelta(seconds=answering.within_seconds))} was over. Find out what delayed "
        f"{answering.person}."
    )


def silence_in_words(steps: Sequence[EscalationStep]) -> str:
    """Return who was paged and did not answer, and who was not paged, as a sentence; empty without steps."""
    told = [step for step in steps if step.paged.at is not None]
    untold = [step for step in steps if step.paged.at is None]
    words = [f"Paged without an answer: {', '.join(_name(step) for step in told)}."] if told else []
    if untold:
        words.append(f"Never paged, though its turn had come: {', '.join(_name(step) for step in untold)}.")
    return " ".join(words)


def _told(step: EscalationStep, before: datetime) -> bool:
    # The first level is told by the alert itself; an answer before the delivery is judged elsewhere.
    return step.paged.at is not None and (step.level == 1 or step.paged.at <= before)


def _name(step: EscalationStep) -> str:
    return f"level {step.level} ({step.role}: {step.person})"


def _opening(step: EscalationStep) -> str:
    name = _name(step)
    return name[0].upper() + name[1:]


def _names(steps: Sequence[EscalationStep]) -> str:
    return " and ".join(_name(step) for step in steps)


def _persons(steps: Sequence[EscalationStep]) -> str:
    return " and ".join(dict.fromkeys(step.person for step in steps))
