"""Branches whose choice is a plain function of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseBranchOperator
from airflow.sdk.exceptions import AirflowSkipException

from release_watch.orchestration.run import ProtocolRun, log

if TYPE_CHECKING:
    from airflow.sdk import Context


class Choice(BaseBranchOperator):
    """Follows one of ``targets``.

    :param choose: returns the name of a target, without its group
    :param targets: names of the sibling tasks that may follow; a test resolves each of them
    """

    def __init__(
        self, *, choose: Callable[[ProtocolRun], str], targets: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.choose = choose
        self.targets = tuple(targets)

    def choose_branch(self, context: Context) -> str:
        """Return the full id of the task that follows."""
        run = ProtocolRun.of(context)
        stops = run.stops()
        if stops:
            raise AirflowSkipException(f"The run ended {stops[0]['exit_state']}: {stops[0]['reason']}")
        chosen = self.choose(run)
        if chosen not in self.targets:
            raise ValueError(f"{self.task_id}: {chosen!r} is none of {', '.join(self.targets)}")
        log.info("%s -> %s", self.task_id, chosen)
        return self.sibling(chosen)

    def sibling(self, name: str) -> str:
        """Return the full id of a task in this branch's own group."""
        group = self.task_group
        return str(group.child_id(name)) if group else name  # type: ignore[no-untyped-call]
