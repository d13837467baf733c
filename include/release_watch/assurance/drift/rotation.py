"""Drift of on-call: a rotation that points to nobody who could answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from release_watch.assurance.drift.model import Drift
from release_watch.catalog.oncall import OnCall
from release_watch.verdict import Verdict

OWNER = "operations-lead"


def rotation_drifts(oncall: OnCall, at: datetime, users: Collection[str] | None = None) -> Iterator[Drift]:
    """Yield where an alert that fires at ``at`` pages nobody.

    Args:
        oncall: the rotations and levels of escalation.
        at: now.
        users: who can sign in; None where that is not known, and then nobody is missed.
    """
    paged = oncall.paging_order(at)
    for paging in paged:
        rotation = oncall.roles[paging.role]
        if users is not None and paging.person.user not in users:
            what = f"level {paging.level} ({paging.role}) pages {paging.person.user}, who is no user any more"
            yield _drift(paging.role, f"user:{paging.person.user}", what, Verdict.NO_GO)
        if not paging.person.address:
            what = (
                f"level {paging.level} ({paging.role}) pages {paging.person.user}, who has no address: no "
                "notice of Release Watch reaches anybody"
            )
            yield _drift(paging.role, f"address:{paging.person.user}", what, Verdict.WARN)
        if rotation.starts_at > at:
            what = f"the rotation of {paging.role} begins only at {rotation.starts_at.isoformat()}"
            yield _drift(paging.role, "begins", what, Verdict.WARN)
    for words in oncall.skipped_levels(at):
        yield _drift("escalation", words.partition(" pages")[0].lower(), words, Verdict.WARN)
    on_duty = {paging.person.user for paging in paged}
    for person in oncall.responders():
        if users is not None and person.user not in users and person.user not in on_duty:
            what = f"{person.user} is in the rotation, and is no user any more: a later shift pages nobody"
            yield _drift("responders", f"user:{person.user}", what, Verdict.WARN)


def _drift(role: str, about: str, what: str, verdict: Verdict) -> Drift:
    return Drift(
        key=f"oncall:{role}:{about}",
        kind="missing",
        what=what,
        owner=OWNER,
        verdict=verdict,
        to_do="correct oncall.yaml: name somebody who can answer",
    )
