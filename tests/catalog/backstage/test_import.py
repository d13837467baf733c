from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from release_watch.catalog.__main__ import main
from release_watch.catalog.backstage.components import Services, services_from
from release_watch.catalog.backstage.entities import read_entities
from release_watch.catalog.config import config_folder, inspect_config

Write = Callable[..., Path]


def component(name: str, *, metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"type": "service", "lifecycle": "production", "owner": "team-a", **spec},
    }


def api(name: str, definition: object, kind: str = "openapi") -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "API",
        "metadata": {"name": name},
        "spec": {"type": kind, "lifecycle": "production", "owner": "team-a", "definition": definition},
    }


def annotated(name: str, **annotations: str) -> dict[str, Any]:
    keys = {f"release-watch.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return component(name, metadata={"annotations": keys})


ORDERS = 'openapi: 3.0.0\npaths: {/orders: {post: {}}, "/orders/{id}": {get: {}}}\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes entities as the documents of a ``catalog-info.yaml``."""

    def write(*entities: dict[str, Any], below: str = "backstage") -> Path:
        path = tmp_path / below / "catalog-info.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(entities, sort_keys=False))
        return path

    return write


def imported(*paths: Path, **options: Any) -> Services:
    found = read_entities(paths)
    assert found.problems == ()
    services = services_from(found.entities, **options)
    return services._replace(notes=(*found.notes, *services.notes))


def test_a_component_becomes_a_service_with_all_that_it_says(write: Write) -> None:
    path = write(
        component(
            "checkout",
            metadata={
                "description": "Takes orders",
                "annotations": {
                    "release-watch.io/tier": "critical",
                    "release-watch.io/metrics-selector": "job='checkout'",
                    "release-watch.io/metrics-counter": "orders_total",
                    "release-watch.io/metrics-errors": 'outcome!="ok"',
                    "release-watch.io/logs-selector": '{app="checkout"}',
                    "release-watch.io/logs-connection": "loki_eu",
                    "release-watch.io/traces-service": "checkout",
                    "release-watch.io/synthetics-selector": 'job="blackbox",service="checkout"',
                    "github.com/project-slug": "shop/checkout",
                },
                "links": [
                    {"url": "https://grafana/d/1", "type": "dashboard"},
                    {"url": "https://runbooks/checkout", "type": "runbook"},
                ],
            },
            owner="group:default/team-orders",
            dependsOn=["component:payments"],
            providesApis=["orders"],
        ),
        component("payments", owner="user:money/jo", type="worker"),
        api("orders", ORDERS),
    )

    services = imported(path)

    assert services.services == (
        {
            "name": "checkout",
            "tier": "critical",
            "owner": "team-orders",
            "description": "Takes orders",
            "dependencies": ["payments"],
            "endpoints": ["POST /orders", "GET /orders/{id}"],
            "signals": {
                "metrics": {
                    "selector": 'job="checkout"',
                    "counter": "orders_total",
                    "errors": 'outcome!="ok"',
                },
                "logs": {"selector": '{app="checkout"}', "connection": "loki_eu"},
                "traces": {"service_name": "checkout"},
                "synthetics": {"selector": 'job="blackbox",service="checkout"'},
            },
            "runbook": "https://runbooks/checkout",
        },
        {"name": "payments", "owner": "money/jo", "signals": {}},
    )
    assert [note.split(": ", 1)[1] for note in services.notes] == [
        "metadata.name: 'payments': no tier: add annotation release-watch.io/tier (critical or standard), or "
        "tier to services.yaml",
        "metadata.links: missing: no runbook: add a link of type runbook, annotation "
        "release-watch.io/runbook, or runbook to services.yaml",
    ]


def test_production_makes_no_tier(write: Write) -> None:
    services = imported(write(component("a", lifecycle="production")))

    assert "tier" not in services.services[0]
    assert [note for note in services.notes if "no tier" in note]


def test_a_label_states_a_tier_too(write: Write) -> None:
    path = write(component("a", metadata={"labels": {"release-watch.io/tier": "standard"}}))

    assert imported(path).services[0]["tier"] == "standard"


def test_traces_are_mapped_by_the_annotation_of_the_jaeger_plugin(write: Write) -> None:
    path = write(component("a", metadata={"annotations": {"jaegertracing.io/service": "shop-a"}}))

    assert imported(path).services[0]["signals"] == {"traces": {"service_name": "shop-a"}}


def test_who_provides_a_consumed_api_is_called(write: Write) -> None:
    path = write(
        component("a", consumesApis=["b-api", "unknown"]),
        component("b", providesApis=["b-api"], dependencyOf=["component:c"]),
        component("c"),
        api("b-api", ORDERS),
    )

    services = imported(path)

    calls = {service["name"]: service.get("dependencies", []) for service in services.services}
    assert calls == {"a": ["b"], "b": [], "c": ["b"]}
    assert [note for note in services.notes if "'api:default/unknown': no dependency" in note]


def test_a_reference_means_the_namespace_it_stands_in(write: Write) -> None:
    path = write(
        component("a", metadata={"namespace": "shop"}, dependsOn=["component:B", "component:default/c"]),
        component("b", metadata={"namespace": "Shop"}),
        component("c"),
    )

    assert imported(path).services[0]["dependencies"] == ["b", "c"]


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        pytest.param([annotated("a", tier="gold")], "'gold': is no tier", id="tier"),
        pytest.param(
            [annotated("a", logs_selector="{app")], "'{app': no logs: cannot be read", id="selector"
        ),
        pytest.param(
            [annotated("a", metrics_counter="x")],
            "no metrics: also needs annotation release-watch.io/metrics-selector",
            id="counter alone",
        ),
        pytest.param(
            [annotated("a", metric_selector="x")],
            "unknown annotation; did you mean 'release-watch.io/metrics-selector'?",
            id="misspelt annotation",
        ),
        pytest.param(
            [component("a", metadata={"annotations": {"prometheus.io/rule": "x"}})],
            "not used: names rules and alerts",
            id="annotation of another tool",
        ),
        pytest.param(
            [component("a", metadata={"links": [{"url": "javascript:x", "type": "runbook"}]})],
            "metadata.links.0.url: 'javascript:x': must be an http",
            id="runbook",
        ),
        pytest.param([component("a", owner="a b")], "'a b': no owner: is no entity reference", id="owner"),
        pytest.param([component("a", dependsOn=["resource:db"])], "a resource is no service", id="resource"),
        pytest.param([component("a", dependsOn=["a/b/c"])], "is no entity reference", id="reference"),
        pytest.param([component("a", providesApis=["x"])], "the API is in none of the files", id="no API"),
        pytest.param(
            [component("a", providesApis=["x"]), api("x", "syntax = proto3", "grpc")],
            "only openapi has routes",
            id="gRPC",
        ),
        pytest.param(
            [component("a", providesApis=["x"]), api("x", {"$text": "https://x/api.yaml"})],
            "which is no file below its folder and not fetched",
            id="definition elsewhere",
        ),
        pytest.param(
            [component("a", providesApis=["x"]), api("x", {"$text": "../../../../etc/passwd"})],
            "which is no file below its folder and not fetched",
            id="definition outside",
        ),
        pytest.param([component("a"), component("b", type="website")], "--type website", id="website"),
        pytest.param([component("a"), {**component("b"), "kind": "Robot"}], "not imported", id="kind"),
        pytest.param([component("a"), {**component("b"), "apiVersion": "v1"}], "not imported", id="version"),
    ],
)
def test_what_is_not_understood_is_listed_with_its_line(
    write: Write, entities: list[dict[str, Any]], said: str
) -> None:
    path = write(*entities)

    (note,) = [note for note in imported(path).notes if said in note]

    assert int(note.removeprefix(f"{path}:").split(":")[0]) > 1


@pytest.mark.parametrize("placeholder", ["$text", "$yaml", "$json"])
def test_a_definition_in_a_file_beside_is_read(write: Write, placeholder: str) -> None:
    path = write(component("a", providesApis=["x"]), api("x", {placeholder: "./api/orders.json"}))
    (path.parent / "api").mkdir()
    (path.parent / "api" / "orders.json").write_text(
        json.dumps({"swagger": "2.0", "paths": {"/x": {"get": 1}}})
    )

    assert imported(path).services[0]["endpoints"] == ["GET /x"]


def test_a_folder_is_searched_and_a_location_followed_below_it(write: Write, tmp_path: Path) -> None:
    write(component("a"), below="shop/a")
    write(component("hidden"), below="shop/node_modules/x")
    (tmp_path / "shop" / "b.yaml").write_text(yaml.safe_dump(component("b")))
    targets = ["./b.yaml", "a/catalog-info.yaml", "https://github.com/x/catalog-info.yaml", "../out.yaml"]
    (tmp_path / "out.yaml").write_text(yaml.safe_dump(component("outside")))
    location = {"apiVersion": "backstage.io/v1alpha1", "kind": "Location", "metadata": {"name": "all"}}
    write({**location, "spec": {"targets": targets}}, below="shop")

    services = imported(tmp_path / "shop")

    assert sorted(service["name"] for service in services.services) == ["a", "b"]
    assert len([note for note in services.notes if "not read: no file below this folder" in note]) == 2


def test_only_chosen_types_and_namespaces_are_imported(write: Write) -> None:
    path = write(
        component("a", metadata={"namespace": "shop"}),
        component("b"),
        component("c", metadata={"namespace": "shop"}, type="website"),
    )

    services = imported(path, types=("website",), namespaces=("Shop",))

    assert [service["name"] for service in services.services] == ["c"]


def test_one_name_in_two_namespaces_is_refused(write: Write) -> None:
    path = write(component("a"), component("A", metadata={"namespace": "shop"}))

    (problem,) = imported(path).problems

    assert "rename one, or choose with --namespace" in problem


# The command


def test_without_a_target_the_file_goes_to_the_output_and_notes_to_the_errors(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import-backstage", str(write(component("a"))), "--environment", "production"]) == 0

    printed = capsys.readouterr()
    assert yaml.safe_load(printed.out) == {
        "environments": ["production"],
        "services": [{"name": "a", "owner": "team-a", "signals": {}}],
    }
    assert "no tier" in printed.err


def test_check_refuses_what_backstage_did_not_say(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "config" / "services.yaml"

    assert main(["import-backstage", str(write(component("a"))), "--out", str(out)]) == 0

    said = " ".join(inspect_config(out.parent).problems)
    assert "environments: missing" in said
    assert "services.0.tier: missing" in said


def test_a_file_that_is_there_is_only_overwritten_by_force(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "services.yaml"
    out.write_text("mine")
    arguments = ["import-backstage", str(write(component("a"))), "--out", str(out)]

    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert out.read_text() == "mine"
    assert main([*arguments, "--force"]) == 0
    assert "name: a" in out.read_text()


def test_what_people_wrote_stays_and_only_what_is_missing_is_added(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(config_folder(), tmp_path / "config"))
    into = folder / "services.yaml"
    before = into.read_text()
    path = write(
        annotated("mailer", tier="standard"),
        component(
            "payments",
            metadata={"annotations": {"release-watch.io/tier": "standard"}},
            owner="team-other",
            dependsOn=["component:mailer", "component:catalogue"],
        ),
    )
    arguments = ["import-backstage", str(path), "--into", str(into)]

    assert main(arguments) == 0

    after = into.read_text()
    notes = capsys.readouterr().err
    config = inspect_config(folder).config
    assert config
    payments = config.catalog.get("payments")
    assert payments.critical
    assert payments.owner == "team-money"
    assert payments.dependencies == ("mailer", "catalogue")
    assert "services.2.tier: 'critical': kept; Backstage has 'standard'" in notes
    assert "no runbook" not in "\n".join(note for note in notes.splitlines() if "payments" in note)
    remaining = iter(after.splitlines())
    assert all(line in remaining for line in before.splitlines())
    assert main(arguments) == 0
    assert into.read_text() == after


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("a: &a [*a]", "refers to itself", id="endless alias"),
        pytest.param("[" * 1_000_000, "nested too deeply", id="deep"),
        pytest.param("!!python/object/apply:os.system [id]", "YAML", id="code"),
        pytest.param("a: 1\na: 2", "written twice", id="key twice"),
        pytest.param("just text", "no Backstage entity", id="text"),
        pytest.param(
            "kind: Component\nmetadata: {name: 1}\napiVersion: backstage.io/v1alpha1", "quote", id="name"
        ),
        pytest.param("", "no component to import", id="nothing"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_and_nothing_is_written(
    tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "catalog-info.yaml").write_text(content)
    out = tmp_path / "services.yaml"

    assert main(["import-backstage", str(tmp_path), "--out", str(out)]) == 1

    assert said in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments", [["nowhere.yaml"], ["."], [".", "--into", "nowhere.yaml"], [".", "--environment", "../x"]]
)
def test_what_is_not_there_is_said(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["import-backstage", *arguments]) == 1

    assert "nothing was written" in capsys.readouterr().err


def test_json_says_the_same(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-backstage", str(write(annotated("a", tier="critical"))), "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["written"] is None
    assert content["services"][0]["tier"] == "critical"
    assert len(content["notes"]) == 2
