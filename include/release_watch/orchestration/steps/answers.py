"""What people answered, as it was kept, and whether it holds for the evidence as it lies now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from release_watch.artifacts.models import Approval
    from release_watch.orchestration.run import ProtocolRun

YES, NO = "yes", "no"


def answer_on_record(run: ProtocolRun, task: str) -> Approval:
    """Return the question of ``task`` with its answer, if there is one yet."""
    from release_watch.artifacts.models import Approval

    return run.store.read_model(f"records/approval-{task}.json", Approval)


def granted(run: ProtocolRun, task: str) -> tuple[bool, str]:
    """Return whether the question of ``task`` was answered Yes by a person on the evidence as it lies now.

    The second value says why not, or who granted it. In shadow mode nothing was asked and nothing is blocked.
    """
    answer = answer_on_record(run, task)
    if run.release.shadow:
        return True, "shadow mode: nobody was asked"
    if not answer.responded_by:
        return False, f"nobody ({answer.role}) answered in time"
    if answer.answer != YES:
        return False, f"{answer.responded_by} ({answer.role}) answered {answer.answer}"
    name = answer.evidence_uri.removeprefix(run.store.uri).lstrip("/")
    if run.store.digest(name).sha256 != answer.evidence_sha256:
        return False, f"{name} was changed after {answer.responded_by} approved it; ask again"
    return True, f"{answer.responded_by} ({answer.role})"
