"""A step of the protocol: a plain function of the run, as an Airflow task."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from release_watch.errors import InvalidInputError
from release_watch.orchestration.outlets import emit
from release_watch.orchestration.run import ProtocolRun
from release_watch.verdict import ExitState, Verdict

if TYPE_CHECKING:
    from airflow.sdk import AssetAlias, Context

PROCEEDS = frozenset(verdict.value for verdict in Verdict if verdict.proceeds)


class Step(BaseOperator):
    """Runs ``action`` and returns what it returns: an artifact's URI or a verdict.

    Input that only a person can mend ends the run as BLOCKED at once; anything else is retried.

    :param action: a function of the run; its name is the task id and its docstring the task's doc
    :param emits: signal that goes out when the action returns a verdict that proceeds
    """

    def __init__(
        self, *, action: Callable[[ProtocolRun], str | None], emits: AssetAlias | None = None, **kwargs: Any
    ) -> None:
        if isinstance(action, FunctionType):
            kwargs = {"task_id": action.__name__, "doc_md": inspect.getdoc(action), **kwargs}
        super().__init__(outlets=[emits] if emits else None, **kwargs)
        self.action = action
        self.emits = emits

    def execute(self, context: Context) -> str | None:
        """Call the action, unless the run has already ended."""
        try:
            run = ProtocolRun.of(context)
        except InvalidInputError as error:
            raise AirflowFailException(str(error)) from error
        run.withdraw_stop()
        stops = run.stops()
        if stops:
            raise AirflowSkipException(f"The run ended {stops[0]['exit_state']}: {stops[0]['reason']}")
        try:
            result = self.action(run)
        except InvalidInputError as error:
            next_steps = ("Correct the input and trigger a new deployment run.",)
            raise run.halt(ExitState.BLOCKED, str(error), next_steps=next_steps) from error
        if self.emits and result in PROCEEDS:
            emit(context, self.emits, run, verdict=result)
        return result
