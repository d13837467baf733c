"""Runs of the protocol, found, started and ended inside of the API server, as its own routes do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
from airflow.api.common.trigger_dag import trigger_dag
from airflow.exceptions import DagRunAlreadyExists
from airflow.models.dag import DagModel
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import with_row_locks
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.orchestration.web.access import DAG_ID
from release_watch.release import Release

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from sqlalchemy.orm import Session

OPEN = (DagRunState.QUEUED, DagRunState.RUNNING)
CLOSING = (TaskInstanceState.RUNNING, TaskInstanceState.SUCCESS, TaskInstanceState.FAILED)


class NotReadyError(ReleaseWatchError):
    """Airflow cannot do it now; the same request will do later."""


class WatchedRun(NamedTuple):
    """A run, and the release it is about; None if its parameters describe none."""

    run_id: str
    state: str
    release: Release | None


def run_by_id(run_id: str) -> WatchedRun | None:
    """Return the run with this id, or None."""
    with create_session(scoped=False) as session:
        found = session.scalar(select(DagRun).where(DagRun.dag_id == DAG_ID, DagRun.run_id == run_id))
        return _watched(found) if found else None


def open_run_of(release: Release) -> WatchedRun | None:
    """Return the run that watches the same release in the same environment now, or None."""
    with create_session(scoped=False) as session:
        return next(
            (
                run
                for run in map(_watched, _open_runs(session))
                if run.release
                and run.release.release_id == release.release_id
                and run.release.environment == release.environment
            ),
            None,
        )


def start_run(run_id: str, release: Release, user: BaseUser, note: str) -> bool:
    """Start a run as ``user``; returns False, and starts none, if there is one with this id already.

    The database decides: of two requests at the same moment one gets the id.

    Raises:
        InvalidInputError: if the DAG refuses the parameters.
        NotReadyError: if Airflow does not have the DAG.
    """
    with create_session(scoped=False) as session:
        model = session.scalar(select(DagModel).where(DagModel.dag_id == DAG_ID, ~DagModel.is_stale))
        if model is None or model.has_import_errors:
            raise NotReadyError(f"Airflow has no DAG {DAG_ID}, or cannot import it; see its import errors")
        try:
            trigger_dag(
                DAG_ID,
                run_id=run_id,
                conf=release.model_dump(mode="json"),
                triggered_by=DagRunTriggeredByType.REST_API,
                triggering_user_name=user.get_name(),
                note=note,
                session=session,
            )
            _log(session, "start_run_by_event", run_id, user, note)
            session.commit()
        except (DagRunAlreadyExists, IntegrityError):
            session.rollback()
            if run_by_id(run_id) is None:  # the database refused it for another reason
                raise
            return False
        except ValueError as error:  # among them Airflow's ParamValidationError
            session.rollback()
            raise InvalidInputError([str(error)]) from error
    return True


def end_runs(
    concerned: Callable[[Release], bool], before: Callable[[str, Release], None], user: BaseUser, note: str
) -> tuple[str, ...]:
    """End the open runs of the releases that are ``concerned``, and return their ids.

    What runs or waits is ended, what has not begun is skipped, and the teardown then closes the run: the
    same as marking the run as failed in Airflow's UI. A run whose teardown has begun is left alone.

    Args:
        concerned: whether a release is to be watched no longer.
        before: called with the run's id and its release before anything is ended, with the run locked.
        user: who ends them.
        note: why, for Airflow's audit log.

    Raises:
        NotReadyError: if Airflow no longer has the DAG of the run.
    """
    ended = []
    with create_session(scoped=False) as session:
        found = [run for run in map(_watched, _open_runs(session)) if run.release and concerned(run.release)]
        for run_id, _, release in found:
            query = select(DagRun).where(
                DagRun.dag_id == DAG_ID, DagRun.run_id == run_id, DagRun.state.in_(OPEN)
            )
            dag_run = session.scalar(with_row_locks(query, of=DagRun, session=session))
            if dag_run is None or release is None:
                continue
            dag = DBDagBag().get_dag_for_run(dag_run, session=session)
            if dag is None:
                raise NotReadyError(f"Airflow no longer has the DAG of run {run_id}; end the run by hand")
            if _closes(session, run_id, [task.task_id for task in dag.tasks if task.is_teardown]):
                continue
            before(run_id, release)
            set_dag_run_state_to_failed(dag=dag, run_id=run_id, commit=True, session=session)
            _log(session, "end_run_by_event", run_id, user, note)
            session.commit()
            ended.append(run_id)
    return tuple(ended)


def _open_runs(session: Session) -> Iterator[DagRun]:
    query = select(DagRun).where(DagRun.dag_id == DAG_ID, DagRun.state.in_(OPEN)).order_by(DagRun.id)
    return iter(session.scalars(query).all())


def _watched(run: DagRun) -> WatchedRun:
    conf: dict[str, Any] = dict(run.conf or {})
    try:
        release = Release.from_params({name: conf[name] for name in Release.model_fields if name in conf})
    except InvalidInputError:
        release = None
    return WatchedRun(run.run_id, str(run.state), release)


def _closes(session: Session, run_id: str, teardowns: list[str]) -> bool:
    query = select(TaskInstance.task_id).where(
        TaskInstance.dag_id == DAG_ID,
        TaskInstance.run_id == run_id,
        TaskInstance.task_id.in_(teardowns),
        TaskInstance.state.in_(CLOSING),
    )
    return session.scalar(query.limit(1)) is not None


def _log(session: Session, event: str, run_id: str, user: BaseUser, note: str) -> None:
    """Put it into Airflow's audit log, as its own routes do."""
    name = user.get_name()
    extra = json.dumps({"note": note})
    session.add(
        Log(event=event, owner=name, owner_display_name=name, extra=extra, dag_id=DAG_ID, run_id=run_id)
    )
