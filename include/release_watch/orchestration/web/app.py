"""Endpoints beside the Airflow UI: the alert receiver, the acknowledgement of a drill, and events.

Every route is authenticated: the receiver by the bearer token of the connection ``oncall_default``,
everything else by the Airflow user.
"""

from __future__ import annotations

import json
import logging
import secrets
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.connection import Connection
from fastapi import Depends, FastAPI, Header, HTTPException, Request, status
from fastapi.responses import JSONResponse

from release_watch.artifacts.store import PathLike
from release_watch.catalog.config import load_config
from release_watch.cdevents.events import Kind
from release_watch.cdevents.reading import ContentTypeError, NoCloudEventError, read_event
from release_watch.clock import now, rfc3339
from release_watch.drills.receipts import Receipts
from release_watch.errors import InvalidInputError, ReleaseWatchError
from release_watch.identifiers import identifier
from release_watch.orchestration.storage import artifact_root
from release_watch.orchestration.web.access import may_answer_questions, may_change_runs, may_start_runs
from release_watch.orchestration.web.body import LimitedBody
from release_watch.orchestration.web.events import ConflictError, take

PREFIX = "/release-watch"
RECEIVER_CONNECTION = "oncall_default"

REFUSALS: dict[type[InvalidInputError], int] = {
    ContentTypeError: status.HTTP_415_UNSUPPORTED_MEDIA_TYPE,
    NoCloudEventError: status.HTTP_400_BAD_REQUEST,
    ConflictError: status.HTTP_409_CONFLICT,
}
"""What an event is refused with; 422 for any other reason."""

log = logging.getLogger("release_watch")
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
def receive(body: LimitedBody) -> dict[str, Any]:
    """Record what Alertmanager delivered."""
    try:
        recorded = receipts().record(json.loads(body), at=now())
    except (ValueError, RecursionError, InvalidInputError) as error:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, str(error)) from error
    return {"recorded": len(recorded)}


@app.post("/drills/{drill_id}/acknowledge", dependencies=[Depends(may_answer_questions)])
def acknowledge(drill_id: str, user: GetUserDep) -> dict[str, str]:
    """Acknowledge a drill as the person who is logged in; only people on call may."""
    on_call = {person.user for person in load_config().oncall.responders()}
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


@app.post("/events", dependencies=[Depends(may_start_runs)])
def take_event(request: Request, body: LimitedBody, user: GetUserDep) -> JSONResponse:
    """Take a CDEvent about a service: watch what was deployed, and no longer what was rolled back."""
    try:
        event = read_event(request.headers, body)
        if event.kind is Kind.ROLLED_BACK:
            may_change_runs(request, user)
        answer = take(event, user)
    except InvalidInputError as error:
        code = REFUSALS.get(type(error), status.HTTP_422_UNPROCESSABLE_CONTENT)
        return JSONResponse({"detail": str(error), "problems": error.problems}, code)
    except HTTPException:
        raise
    except Exception as error:  # whatever is away, database or artifact store: the sender has to try again
        log.exception("An event could not be taken")
        why = str(error) if isinstance(error, ReleaseWatchError) else type(error).__name__
        raise HTTPException(
            status.HTTP_503_SERVICE_UNAVAILABLE, f"the event was not taken: {why}; send the same event again"
        ) from error
    return JSONResponse(answer._asdict(), status.HTTP_201_CREATED if answer.new else status.HTTP_200_OK)
