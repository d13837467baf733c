"""Endpoints beside the Airflow UI: the alert receiver, and the acknowledgement of a drill.

Every route is authenticated: the receiver by the bearer token of the connection ``oncall_default``,
everything else by the Airflow user.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.connection import Connection
from fastapi import Depends, FastAPI, Header, HTTPException, Request, status

from release_watch.artifacts.store import PathLike
from release_watch.catalog.config import load_config
from release_watch.clock import now, rfc3339
from release_watch.drills.receipts import Receipts
from release_watch.errors import InvalidInputError
from release_watch.identifiers import identifier
from release_watch.orchestration.storage import artifact_root

PREFIX = "/release-watch"
DAG_ID = "post_deployment_monitoring"
RECEIVER_CONNECTION = "oncall_default"
LARGEST_BODY_BYTES = 1_000_000

app = FastAPI(title="Release Watch", docs_url=None, redoc_url=None, openapi_url=None)


def receiver_token() -> str | None:
    """Return the token that Alertmanager must show, or None if none is configured."""
    try:
        password: str | None = Connection.get_connection_from_secrets(RECEIVER_CONNECTION).password
    except Exception:  # any secrets backend; without a token nobody gets in
        return None
    return password


def requires_receiver_token(authorization: Annotated[str | None, Header()] = None) -> None:
    """Refuse whoever does not show the receiver's token."""
    expected = receiver_token()
    shown = (authorization or "").removeprefix("Bearer ")
    if not expected or not secrets.compare_digest(shown.encode(), expected.encode()):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "a valid bearer token is needed")


def receipts() -> Receipts:
    """Return the receipts under the artifact root."""
    root: PathLike = artifact_root()
    return Receipts.under(root)


@app.post("/receipts", dependencies=[Depends(requires_receiver_token)], status_code=status.HTTP_202_ACCEPTED)
async def receive(request: Request) -> dict[str, Any]:
    """Record what Alertmanager delivered."""
    body = await request.body()
    if len(body) > LARGEST_BODY_BYTES:
        raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"at most {LARGEST_BODY_BYTES} bytes")
    try:
        payload = await request.json()
        recorded = receipts().record(payload, at=now())
    except (ValueError, RecursionError, InvalidInputError) as error:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, str(error)) from error
    return {"recorded": len(recorded)}


@app.post(
    "/drills/{drill_id}/acknowledge",
    dependencies=[Depends(requires_access_dag("PUT", DagAccessEntity.HITL_DETAIL, param_dag_id=DAG_ID))],
)
def acknowledge(drill_id: str, user: GetUserDep) -> dict[str, str]:
    """Acknowledge a drill as the person who is logged in; only people on call may."""
    on_call = {person.user for person in load_config().oncall.people("oncall")}
    if user.get_id() not in on_call:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "only the people on call acknowledge a drill")
    try:
        drill = identifier(drill_id, "drill_id")
    except InvalidInputError as error:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, str(error)) from error
    kept = receipts()
    if kept.find(drill, "firing") is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"no drill {drill} was delivered")
    stands = kept.acknowledge(drill, user.get_id(), now())
    return {"drill_id": drill, "acknowledged_by": stands.by, "at": rfc3339(stands.at)}
