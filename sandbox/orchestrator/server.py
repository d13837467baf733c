"""STAND-IN for a release orchestrator: its HTTP interface; the requests are listed in README.md here."""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from sandbox import faults
from sandbox.orchestrator.records import (
    OWNERS,
    Record,
    Records,
    UnknownDeploymentError,
    flag_states,
    timestamp,
)
from sandbox.shop import fleet
from sandbox.shop.state import read_state
from sandbox.shop.topology import SHOP

CLOUDEVENT_TYPE = "application/cloudevents+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Orchestrator:
    """The handlers of the interface, over the records under one root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._records = Records(root)
        self._rollbacks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Returns every route of the interface but `/healthz`."""
        deployment = "/deployments/{id}"
        return [
            web.get("/deployments", self.list_deployments),
            web.get(deployment, self.show("deployment")),
            web.get(f"{deployment}/validation", self.show("validation")),
            web.get(f"{deployment}/feature-flags", self.show_flags),
            web.put(f"{deployment}/monitoring-status", self.set_monitoring_status),
            web.get(f"{deployment}/rollback", self.show("rollback")),
            web.post(f"{deployment}/rollback", self.roll_back),
            web.post("/notices/{owner}", self.take_notice),
            web.get("/notices", self.list_notices),
        ]

    def show(self, document: str) -> Handler:
        """Returns a handler that answers with one record of a deployment."""

        async def handle(request: web.Request) -> web.Response:
            return web.json_response(self._records.read(request.match_info["id"], document))

        return handle

    async def list_deployments(self, _: web.Request) -> web.Response:
        """Answers with the ids of all deployments."""
        return web.json_response({"deployments": self._records.deployments()})

    async def show_flags(self, request: web.Request) -> web.Response:
        """Answers with the feature flags as they are now."""
        record = self._records.read(request.match_info["id"], "feature-flags")
        return web.json_response(flag_states(record, datetime.now(UTC)))

    async def set_monitoring_status(self, request: web.Request) -> web.Response:
        """Stores what monitoring says of itself with the deployment."""
        deployment_id = request.match_info["id"]
        record = self._records.read(deployment_id, "deployment")
        status = await json_object(request)
        if not isinstance(status.get("status"), str):
            raise problem(web.HTTPUnprocessableEntity, "the body needs a text field: status")
        record["monitoring_status"] = {**status, "updated_at": timestamp()}
        self._records.write(deployment_id, "deployment", record)
        return web.json_response(record)

    async def roll_back(self, request: web.Request) -> web.Response:
        """Begins a rollback, or answers with the one that the same key began."""
        deployment_id = request.match_info["id"]
        deployment = self._records.read(deployment_id, "deployment")
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            raise problem(web.HTTPBadRequest, "the header Idempotency-Key is missing")
        earlier = self._rollback_of(deployment_id)
        if earlier and earlier["idempotency_key"] == key:
            return web.json_response(earlier, status=202)
        if earlier and earlier["status"] != "failed":
            raise problem(
                web.HTTPConflict, f"rollback {earlier['rollback_id']} is {earlier['status']} already"
            )
        running = running_versions(self._root, deployment)
        if running != {deployment["version"]}:
            raise problem(
                web.HTTPConflict,
                f"{' and '.join(sorted(running))} runs, not {deployment['version']}: nothing to roll back",
            )
        rollback = {
            "rollback_id": f"rb-{uuid.uuid4().hex[:12]}",
            "deployment_id": deployment_id,
            "status": "running",
            "from_version": deployment["version"],
            "to_version": deployment["previous_version"],
            "idempotency_key": key,
            "requested_at": timestamp(),
            "finished_at": None,
            "reason": await rollback_reason(request),
            "detail": "",
        }
        self._records.write(deployment_id, "rollback", rollback)
        task = asyncio.create_task(self._carry_out(rollback))
        self._rollbacks.add(task)
        task.add_done_callback(self._rollbacks.discard)
        return web.json_response(rollback, status=202)

    async def take_notice(self, request: web.Request) -> web.Response:
        """Takes a CloudEvent for one of the downstream owners."""
        owner = request.match_info["owner"]
        if owner not in OWNERS:
            raise problem(web.HTTPNotFound, f"no owner {owner!r}; there are: {', '.join(OWNERS)}")
        if request.content_type != CLOUDEVENT_TYPE:
            raise problem(
                web.HTTPUnsupportedMediaType, f"send a CloudEvent in structured mode: {CLOUDEVENT_TYPE}"
            )
        event = await json_object(request)
        try:
            from_structured(HTTPMessage(headers={}, body=await request.read()), JSONFormat(), CloudEvent)
        except (BaseCloudEventException, ValueError) as error:
            raise problem(web.HTTPBadRequest, f"not a CloudEvent 1.0: {error}") from error
        new = self._records.add_notice(owner, event)
        return web.json_response(
            {"owner": owner, "id": event["id"], "duplicate": not new}, status=202 if new else 200
        )

    async def list_notices(self, _: web.Request) -> web.Response:
        """Answers with every notice, oldest first."""
        return web.json_response({"notices": self._records.notices()})

    def fail_interrupted_rollbacks(self) -> None:
        """Marks rollbacks as failed that ran when this process ended."""
        for deployment_id in self._records.deployments():
            rollback = self._rollback_of(deployment_id)
            if rollback and rollback["status"] == "running":
                self._finish(rollback, "failed", "the orchestrator was stopped while the rollback ran")

    async def _carry_out(self, rollback: Record) -> None:
        try:
            record = self._records.read(rollback["deployment_id"], "deployment")
            await asyncio.to_thread(
                fleet.rollback, self._root, rollback["to_version"], released_services(record)
            )
        except Exception as error:  # what fails here must be in the record, whatever it is
            self._finish(rollback, "failed", f"{type(error).__name__}: {error}")
            return
        faults.clear_faults(self._root, version=rollback["from_version"])
        self._records.write(rollback["deployment_id"], "deployment", {**record, "status": "rolled_back"})
        self._finish(rollback, "succeeded", "")

    def _finish(self, rollback: Record, status: str, detail: str) -> None:
        finished = {**rollback, "status": status, "detail": detail, "finished_at": timestamp()}
        self._records.write(rollback["deployment_id"], "rollback", finished)

    def _rollback_of(self, deployment_id: str) -> Record | None:
        try:
            return self._records.read(deployment_id, "rollback")
        except UnknownDeploymentError:
            return None


def released_services(deployment: Record) -> tuple[str, ...]:
    """Returns the services that a deployment replaced."""
    return tuple(deployment.get("services", SHOP))


def running_versions(root: Path, deployment: Record) -> set[str]:
    """Returns the versions that run of the services that a deployment replaced."""
    instances = read_state(root).instances
    return {instances[service].version for service in released_services(deployment)}


def build_app(root: Path, token: str) -> web.Application:
    """Returns the interface as a web application; all but `/healthz` needs the bearer token."""
    orchestrator = Orchestrator(root)
    orchestrator.fail_interrupted_rollbacks()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Authorization", "").encode()
        if request.path != "/healthz" and not hmac.compare_digest(sent, f"Bearer {token}".encode()):
            raise problem(web.HTTPUnauthorized, "a valid bearer token is needed")
        try:
            return await handler(request)
        except UnknownDeploymentError as error:
            raise problem(web.HTTPNotFound, str(error)) from error

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application(middlewares=[guard])
    app.add_routes([web.get("/healthz", healthz), *orchestrator.routes()])
    return app


def problem(kind: type[web.HTTPException], message: str) -> web.HTTPException:
    """Returns an HTTP error whose body says in JSON what is wrong."""
    return kind(text=json.dumps({"error": message}), content_type="application/json")


async def rollback_reason(request: web.Request) -> str:
    """Returns the reason in the body of a rollback request; the body may be left out."""
    body = await json_object(request) if await request.read() else {}
    return str(body.get("reason", ""))


async def json_object(request: web.Request) -> dict[str, Any]:
    """Returns the body of a request.

    Raises:
        web.HTTPBadRequest: It is not a JSON object.
    """
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise problem(web.HTTPBadRequest, "the body is not a JSON object")
    return body


def serve(root: Path, port: int, token_file: Path) -> None:
    """Serves until told to stop."""
    token = token_file.read_text(encoding="utf-8").strip()
    web.run_app(
        build_app(root, token), host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=3
    )
