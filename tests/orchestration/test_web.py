from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.api_fastapi.app import get_auth_manager, init_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
from starlette.routing import Route

from release_watch.catalog.config import config_folder
from release_watch.orchestration.web.app import PREFIX, app, receipts
from release_watch.orchestration.web.body import LARGEST_BODY_BYTES

TOKEN = "the-receivers-token"
NOTICE = {
    "receiver": "oncall",
    "alerts": [{"status": "firing", "labels": {"drill": "true", "drill_id": "drill-1"}, "fingerprint": "f"}],
}
ROUTES = [
    (method, route.path.replace("{drill_id}", "drill-1"))
    for route in app.routes
    if isinstance(route, Route)
    for method in sorted(route.methods)
]


@pytest.fixture(scope="module", autouse=True)
def airflow_api():
    """Airflow's own user management and its tables, so that real tokens are checked."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    settings.configure_orm()
    Base.metadata.create_all(settings.get_engine())
    init_auth_manager()
    yield
    purge_cached_app()
    Base.metadata.drop_all(settings.get_engine())


@pytest.fixture
def client():
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def token(monkeypatch):
    connection = {"conn_type": "http", "host": "pager", "password": TOKEN}
    monkeypatch.setenv("AIRFLOW_CONN_ONCALL_DEFAULT", json.dumps(connection))
    return {"Authorization": f"Bearer {TOKEN}"}


def as_user(name, role="USER"):
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
    return {"Authorization": f"Bearer {token}"}


def kept(artifacts: Path) -> list[Path]:
    return [path for path in artifacts.rglob("*") if path.is_file()]


def test_every_route_is_walked():
    assert ROUTES == [("POST", "/receipts"), ("POST", "/drills/drill-1/acknowledge"), ("POST", "/events")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nobody"),
        pytest.param({"Authorization": ""}, id="empty"),
        pytest.param({"Authorization": "Bearer "}, id="empty bearer"),
        pytest.param({"Authorization": "Basic b25jYWxsOm9uY2FsbA=="}, id="basic"),
        pytest.param({"Cookie": "session=x"}, id="a cookie of another kind"),
    ],
)
def test_every_route_refuses_whoever_is_not_known(method, path, headers, client, token, artifacts):
    assert client.request(method, path, headers=headers, json=NOTICE).status_code == 401
    assert kept(artifacts) == []


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/", "/receipts/", "/drills/drill-1"])
def test_there_is_nothing_else_to_be_had(path, client):
    assert client.get(path, follow_redirects=False).status_code in (404, 405, 307)


def test_the_plugin_mounts_exactly_this_app():
    from importlib.util import module_from_spec, spec_from_file_location

    path = Path(__file__).parents[2] / "plugins" / "release_watch_plugin.py"
    spec = spec_from_file_location("release_watch_plugin", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    (mounted,) = module.ReleaseWatchPlugin.fastapi_apps
    assert (mounted["app"], mounted["url_prefix"]) == (app, PREFIX)


def test_a_notice_with_the_right_token_is_recorded(client, token):
    answer = client.post("/receipts", headers=token, json=NOTICE)

    assert (answer.status_code, answer.json()) == (202, {"recorded": 1})
    assert receipts().find("drill-1", "firing").receiver == "oncall"


@pytest.mark.parametrize(
    "shown",
    [f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer None", "Bearer null", f"Basic {TOKEN}", "Bearer ä"],
)
def test_a_wrong_token_is_refused(shown, client, token, artifacts):
    headers = {"Authorization": shown.encode()}

    assert client.post("/receipts", headers=headers, json=NOTICE).status_code == 401
    assert kept(artifacts) == []


@pytest.mark.parametrize(
    "connection", [None, {"conn_type": "http", "host": "pager"}], ids=["none", "no password"]
)
@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer None", f"Bearer {TOKEN}"])
def test_where_no_token_is_configured_nobody_gets_in(connection, shown, client, monkeypatch):
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_ONCALL_DEFAULT", json.dumps(connection))

    assert client.post("/receipts", headers={"Authorization": shown}, json=NOTICE).status_code == 401


def test_the_token_of_a_user_does_not_open_the_receiver(client, token):
    assert client.post("/receipts", headers=as_user("oncall"), json=NOTICE).status_code == 401


def test_the_token_of_the_receiver_does_not_acknowledge(client, token):
    assert client.post("/drills/drill-1/acknowledge", headers=token).status_code in (401, 403)


def test_a_body_that_is_too_large_is_refused(client, token, artifacts):
    body = json.dumps(NOTICE).ljust(LARGEST_BODY_BYTES + 1)

    assert client.post("/receipts", headers=token, content=body).status_code == 413
    assert kept(artifacts) == []


def test_a_body_of_the_largest_size_is_taken(client, token):
    body = json.dumps(NOTICE).ljust(LARGEST_BODY_BYTES)

    assert client.post("/receipts", headers=token, content=body).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not json", id="no json"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[" * 200_000, id="nested without end"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(json.dumps(NOTICE).replace("drill-1", "../../x").encode(), id="a path as id"),
        pytest.param(json.dumps({**NOTICE, "alerts": NOTICE["alerts"] * 501}).encode(), id="too many alerts"),
    ],
)
def test_a_body_that_is_no_notice_is_refused_and_leaves_nothing(body, client, token, artifacts):
    assert client.post("/receipts", headers=token, content=body).status_code == 422
    assert kept(artifacts) == []


@pytest.fixture
def delivered(artifacts):
    receipts().record(NOTICE, datetime(2026, 3, 2, 9, tzinfo=UTC))


def test_the_person_on_call_acknowledges_under_their_own_name(client, delivered):
    answer = client.post("/drills/drill-1/acknowledge", headers=as_user("oncall"))

    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "oncall"
    assert receipts().acknowledgement("drill-1").by == "oncall"


@pytest.mark.parametrize("name", ["sre", "ops-lead", "nobody", "ONCALL", "oncall "])
def test_whoever_is_not_on_call_does_not_acknowledge(name, client, delivered):
    answer = client.post("/drills/drill-1/acknowledge", headers=as_user(name))

    assert answer.status_code == 403
    assert receipts().acknowledgement("drill-1") is None


def test_an_onlooker_does_not_acknowledge_even_when_on_call(client, delivered):
    assert client.post("/drills/drill-1/acknowledge", headers=as_user("oncall", "VIEWER")).status_code == 403
    assert receipts().acknowledgement("drill-1") is None


def test_a_drill_that_was_not_delivered_is_not_acknowledged(client):
    assert client.post("/drills/drill-2/acknowledge", headers=as_user("oncall")).status_code == 404


@pytest.mark.parametrize("drill", ["..", "a..b", "%2e%2e", "a b", "ä"])
def test_an_id_that_is_no_identifier_is_refused(drill, client):
    status = client.post(f"/drills/{drill}/acknowledge", headers=as_user("oncall")).status_code

    assert status in (404, 422)


def test_the_first_acknowledgement_stands_and_is_what_the_second_person_reads(
    client, delivered, tmp_path, monkeypatch
):
    folder = Path(shutil.copytree(config_folder(), tmp_path / "config"))
    people = folder / "oncall.yaml"
    first = "- { user: oncall, name: Engineer on call, address: oncall@example.com }"
    assert first in people.read_text()
    people.write_text(people.read_text().replace(first, f"{first}\n      - {{ user: bob, name: Bob }}"))
    monkeypatch.setenv("RELEASE_WATCH_CONFIG", str(folder))

    one = client.post("/drills/drill-1/acknowledge", headers=as_user("oncall")).json()
    two = client.post("/drills/drill-1/acknowledge", headers=as_user("bob")).json()

    assert two == one


def test_what_is_asked_for_is_the_right_to_answer_in_this_dag(client, delivered, monkeypatch):
    asked = []

    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        asked.append(SimpleNamespace(method=method, entity=access_entity, dag=details and details.id))
        return False

    monkeypatch.setattr(type(get_auth_manager()), "is_authorized_dag", is_authorized_dag)

    answer = client.post("/drills/drill-1/acknowledge?dag_id=my_own_dag", headers=as_user("oncall"))

    assert answer.status_code == 403
    assert [(seen.method, seen.dag) for seen in asked] == [("PUT", "post_deployment_monitoring")]
