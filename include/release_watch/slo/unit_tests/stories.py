"""What happens to an SLO's events, and what its alerts must do then: by the closed forms, to one evaluation.

Long windows weigh as much as the share of them that is known. An incident right after the start therefore has
the closed form of one after a full window of healthy history, and no test needs days of that.

Rules count their own evaluations to know how much is known. A test of days that evaluates them ``coarseness``
times rarer than in life makes the long windows weigh so much less, and detects so much later: exactly, and in
far fewer evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from release_watch.clock import in_words
from release_watch.slo.burn_alerts import ABSENT_FOR
from release_watch.slo.rulefile import duration
from release_watch.slo.unit_tests.subjects import ABSENT, FAST, SLOW, TRICKLE, Subject
from release_watch.slo.windows import BurnWindow, Severity, plain, seconds, time_to_detect, time_to_reset

AFTER = 1
"""How many evaluations after the moment of the formula an alert is there, or no longer."""

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_SURELY, _NOT_YET = Decimal("1.1"), Decimal("0.9")
_MANY = Decimal("0.9")
_SHORTEST_RATE = timedelta(minutes=5)
_RETURNS = timedelta(minutes=3)


class Level(NamedTuple):
    """From a moment on, a share of the events is bad."""

    start: timedelta
    bad: Decimal


class Check(NamedTuple):
    """An alert (by ``burn_tier``) that fires at a moment, or does not."""

    tier: str
    at: timedelta
    fires: bool


class Story(NamedTuple):
    """What happens, and what must come of it. ``summary`` says it in words."""

    levels: tuple[Level, ...]
    checks: tuple[Check, ...]
    summary: str

    @property
    def end(self) -> timedelta:
        """When the last check is."""
        return max(check.at for check in self.checks)

    def bad(self, moment: timedelta) -> Decimal:
        """Return the share of bad events in the step that ends at a moment."""
        return next((level.bad for level in reversed(self.levels) if level.start < moment), Decimal(0))


class Incident(NamedTuple):
    """Errors that set off one arm, which bears ``bearable`` of them, after ``detected``."""

    arm: BurnWindow
    errors: Decimal
    detected: timedelta


def incident(subject: Subject, severity: Severity, coarseness: int = 1) -> Incident | None:
    """Return errors that surely set off an alert, by the arm with the shorter windows or by both.

    ``coarseness`` is how many times rarer than in life the rules are evaluated. None if the SLO's source
    cannot give such a share.
    """
    arm, _ = subject.arms(severity)
    seen = arm._replace(factor=arm.factor * coarseness, threshold=arm.threshold * coarseness)
    aim = min(6 * seen.threshold, _MANY) if subject.source.counted else _MANY
    errors = subject.share(aim, seen.threshold * _SURELY)
    if errors is None:
        return None
    detected = time_to_detect(seen, subject.slo.objective, errors)
    return Incident(arm, errors, detected) if detected else None


def burn(
    subject: Subject, found: Incident, every: timedelta, start: timedelta, before: Decimal = Decimal(0)
) -> Story:
    """Return a share ``before`` of errors until ``start``, an incident, fewer errors, and none.

    The fewer errors are twice what the short window bears: the alert must last, and then reset by the closed
    form.
    """
    arm, errors = found.arm, found.errors
    twice = min(2 * arm.threshold, (1 + arm.threshold) / 2)
    fewer = subject.share(twice, arm.threshold * _SURELY, errors) or errors
    detected = start + found.detected
    lower = moment(detected + subject.lag, every, AFTER + 1)
    stop = moment(lower + (arm.short + subject.lag if fewer != errors else every), every, 1)
    levels = ((timedelta(0), before), (start, errors), (lower, fewer), (stop, Decimal(0)))
    checks = (*quiet(subject, moment(start, every, -1)), *_fires(subject, arm, every, detected))
    return Story(
        tuple(Level(*level) for level in levels),
        (*checks, *_resets(subject, arm, every, stop, fewer)),
        f"{_windows(arm)}: {_percent(errors)} bad fire after {in_words(found.detected)}; "
        f"{_reset_words(arm, fewer)}",
    )


def slow_burn(subject: Subject, severity: Severity, every: timedelta) -> Story | None:
    """Return many errors, and then as few as only the slower arm does not bear.

    The many fill most of the long window's share of the budget, so that the few take minutes or hours instead
    of days to use the rest. What the faster arm may say of the many ends soon after them; the alert is there
    when the sum is the closed form's.
    """
    fast, slow = subject.arms(severity)
    aim = min(2 * slow.threshold, fast.threshold * _NOT_YET)
    few = subject.share(aim, slow.threshold * _SURELY, fast.threshold)
    if few is None or not subject.told_apart:
        return None
    whole = slow.threshold * seconds(slow.long)
    filled = whole - few * seconds(slow.short + 2 * every)
    first = moment(timedelta(seconds=int(filled / _MANY)), every, 0)
    many = subject.share(filled / seconds(first), few)
    if many is None:
        return None
    start = 2 * every
    rest = timedelta(seconds=int((whole - many * seconds(first)) / few))
    lower, detected = start + first, start + first + rest
    stop = moment(max(lower + slow.short, detected), every, 2)
    levels = ((start, many), (lower, few), (stop, Decimal(0)))
    ended = Check(_tier(slow), moment(lower + fast.short, every, AFTER), False)
    return Story(
        tuple(Level(*level) for level in levels),
        (ended, *_fires(subject, slow, every, detected), *_resets(subject, slow, every, stop, few)),
        f"{_windows(slow)}: {_percent(many)} bad for {in_words(first)}, then {_percent(few)}, which fire "
        f"after {in_words(rest)}; {_reset_words(slow, few)}",
    )


def _fires(subject: Subject, arm: BurnWindow, every: timedelta, detected: timedelta) -> tuple[Check, ...]:
    tier = _tier(arm)
    return (
        Check(tier, moment(detected, every, -subject.before(every)), False),
        Check(tier, moment(detected + subject.lag, every, AFTER), True),
    )


def _resets(
    subject: Subject, arm: BurnWindow, every: timedelta, stop: timedelta, errors: Decimal
) -> tuple[Check, ...]:
    tier = _tier(arm)
    early = max(stop, moment(stop + time_to_reset(arm, errors), every, -subject.before(every)))
    # what cannot be told apart may have set off the other arm too
    both = [one for one in subject.arms(arm.severity) if one.threshold < errors]
    arms = [arm] if subject.told_apart else both
    late = stop + subject.lag + max(time_to_reset(one, errors) for one in arms)
    return Check(tier, early, True), Check(tier, moment(late, every, AFTER), False)


def again(subject: Subject, found: Incident, story: Story, every: timedelta) -> Story:
    """Return a story of the fast page that goes on with the same errors, until the page is back for certain.

    Within an hour of the start the long window still holds the first errors, so that the short one decides.
    """
    start = story.end + every
    arm = found.arm
    back = seconds(arm.short) * arm.threshold / found.errors
    lasts = timedelta(seconds=int(back)) if start + arm.short < arm.long else found.detected
    certain = moment(start + lasts + subject.lag, every, AFTER + 1)
    return story._replace(
        levels=(*story.levels, Level(start, found.errors)),
        checks=(*story.checks, Check(FAST, certain, True)),
    )


def vanishing(
    subject: Subject, story: Story | None, every: timedelta, gone: timedelta, back: timedelta
) -> Story:
    """Return a story, if there is one, in which telemetry then vanishes, and comes back.

    A page that fires at the end of the story must not resolve.
    """
    noticed, returns = absence_noticed(subject), _RETURNS if subject.slo.templated else timedelta(0)
    checks = [
        Check(ABSENT, moment(gone, every, -1), False),
        Check(ABSENT, moment(gone + ABSENT_FOR, every, -1), False),
        Check(ABSENT, moment(gone + noticed, every, AFTER), True),
        Check(ABSENT, moment(back + returns, every, AFTER), False),
    ]
    if story is None:
        words = f"absence is told after {in_words(noticed)}"
        return Story((Level(timedelta(0), subject.healthy),), tuple(checks), words)
    checks += [Check(FAST, moment(gone, every, -1), True), Check(FAST, moment(back, every, -1), True)]
    words = f"{story.summary}; absence is told after {in_words(noticed)}, and ends no page"
    return Story(story.levels, (*story.checks, *checks), words)


def absence_noticed(subject: Subject) -> timedelta:
    """Return after how long the alert on absence fires: an expression still has its last rate for minutes."""
    rated = _SHORTEST_RATE if subject.slo.templated else timedelta(0)
    sampled = timedelta(0) if subject.source.counted else _SHORTEST_RATE
    return ABSENT_FOR + rated + sampled


def cold_start(subject: Subject, every: timedelta, idle: timedelta, end: timedelta) -> Story:
    """Return errors that would fire a slow arm if ten minutes of history were its whole window; then nothing.

    ``idle`` is when traffic ends.
    """
    severity: Severity = "page" if FAST in subject.alerts else "ticket"
    high, low = subject.arms(severity)
    errors = subject.share((high.threshold + low.threshold) / 2, low.threshold, high.threshold)
    level = Level(timedelta(0), subject.healthy if errors is None else errors)
    checks = (*quiet(subject, idle), *quiet(subject, moment(end, every, 0)))
    return Story((level,), checks, "ten minutes of history, then no traffic")


def quiet(subject: Subject, at: timedelta) -> tuple[Check, ...]:
    """Return that no alert of the SLO fires at a moment."""
    return tuple(Check(tier, at, False) for tier in subject.alerts) if at > timedelta(0) else ()


def failures_only(subject: Subject, failures: Sequence[timedelta], success: timedelta) -> Story:
    """Return single events, all failures until ``success``: the third raises the ticket on counts.

    They are too few for a burn-rate alert. Evaluated every hour.
    """
    third = -(-failures[-1] // _HOUR) * _HOUR
    checks = (
        Check(TRICKLE, -(-failures[-2] // _HOUR) * _HOUR, False),
        Check(TRICKLE, third, True),
        *(Check(tier, third, False) for tier in subject.alerts if tier in (FAST, SLOW)),
        Check(TRICKLE, -(-success // _HOUR) * _HOUR, False),
    )
    levels = (Level(timedelta(0), Decimal(1)), Level(failures[-1], Decimal(0)))
    return Story(levels, checks, f"{len(failures)} failures in {duration(third)}")


def moment(at: timedelta, every: timedelta, evaluations: int) -> timedelta:
    """Return the evaluation that follows a moment, moved by so many evaluations."""
    return (-(-at // every) + evaluations) * every


def _tier(arm: BurnWindow) -> str:
    return FAST if arm.severity == "page" else SLOW


def _percent(share: Decimal) -> str:
    return f"{plain(share * 100)} %"


def _windows(arm: BurnWindow) -> str:
    return f"{duration(arm.long)}/{duration(arm.short)}"


def _reset_words(arm: BurnWindow, errors: Decimal) -> str:
    return f"{_percent(errors)} reset {in_words(time_to_reset(arm, errors))} after their end"
