"""What a night over many releases looks at: a catalogue, SLOs, rules in force and registered releases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import yaml

from benchmarks import rule_set
from benchmarks.bulk import ENDPOINTS, VERSION, Bulk, service
from benchmarks.empty_dag import REPOSITORY
from release_watch.assurance.registry import ActiveReleases
from release_watch.catalog.config import load_config
from release_watch.release import Release
from release_watch.slo.rulefile import to_yaml
from release_watch.slo.rules import rule_groups, rule_set_name
from release_watch.slo.rules_directory import RulesDirectory
from sandbox.processes import replace
from sandbox.shop.topology import ENVIRONMENT
from sandbox.stack import Stack

SHIPPED = REPOSITORY / "include" / "config"
AGE = timedelta(days=1)
"""How long ago the releases were deployed: long enough to be audited with the others."""
LOAD_SECONDS = 120


def write_config(folder: Path, names: Sequence[str]) -> None:
    """Write the configuration of so many services, one SLO each: the four kinds of ``rule_set`` in turn."""
    every = folder.parent / f"{folder.name}-slos"
    every.mkdir()
    folder.joinpath("slos").mkdir(parents=True)
    rule_set.write_documents(every, names)
    for number, name in enumerate(names):
        found = list(yaml.load_all((every / f"{name}.yaml").read_text(), Loader=yaml.CSafeLoader))
        text = yaml.dump(found[number % rule_set.PER_SERVICE], Dumper=yaml.CSafeDumper, sort_keys=False)
        (folder / "slos" / f"{name}.yaml").write_text(text)
    services = [service(name).model_dump(mode="json", exclude_defaults=True) for name in names]
    catalogue = {"environments": [ENVIRONMENT], "services": services}
    (folder / "services.yaml").write_text(yaml.dump(catalogue, Dumper=yaml.CSafeDumper, sort_keys=False))
    for shipped in ("oncall.yaml", "policies.yaml"):
        shutil.copy(SHIPPED / shipped, folder)


def serve_only(stack: Stack, names: Sequence[str]) -> None:
    """Have Prometheus scrape only these of the services that ``Bulk`` has it scrape."""
    file = stack.layout.run / "targets" / "bulk.json"
    kept = [group for group in json.loads(file.read_text()) if group["labels"]["service"] in set(names)]
    replace(file, json.dumps(kept))


def register(config: Path, stack: Stack, services: Bulk, artifacts: Path) -> int:
    """Put the rules of one release a service into force and register them all; returns how many rules."""
    loaded, registry = load_config(config), ActiveReleases(artifacts)
    directory = RulesDirectory(Path(stack.endpoints["directories"]["rules"]))
    rules = 0
    contents: dict[str, str | None] = dict.fromkeys(directory.names())
    now = datetime.now(UTC)
    for name in services.names:
        release = Release(
            deployment_id=f"deploy-{name}",
            release_id=f"release-{name}",
            version=VERSION,
            environment=ENVIRONMENT,
            services=(name,),
            deployed_at=now - AGE,
            evidence_uri="file:///evidence",
        )
        groups = rule_groups(
            loaded.slos_of([name]),
            loaded.catalog.select([name]),
            release,
            runbook_url="https://runbooks.example/monitoring",
            dashboard_url="https://grafana.example/d/health",
            metric_names={name: rule_set.METRIC_NAMES},
        )
        text = to_yaml(groups)
        rules += sum(len(group.rules) for group in groups)
        contents[rule_set_name(release)] = text
        registry.register(
            release,
            artifacts_uri=(artifacts / "monitoring" / ENVIRONMENT / release.release_id).as_uri(),
            rules={rule_set_name(release): text},
            endpoints={name: ENDPOINTS},
            at=now - AGE,
        )
    directory.put(contents)
    url = stack.endpoints["prometheus"]
    requests.post(f"{url}/-/reload", timeout=LOAD_SECONDS).raise_for_status()
    return rules


def connections(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """Return the Airflow connections of the environment and the tools, as variables."""
    account = json.loads(Path(endpoints["files"]["tickets_credentials"]).read_text())
    more: dict[str, dict[str, Any]] = {
        "prometheus": {"extra": {"rules_directory": endpoints["directories"]["rules"]}},
        "alertmanager": {},
        "loki": {},
        "tempo": {},
        "tickets": {"login": account["username"], "password": account["password"]},
    }
    return {
        **{
            f"AIRFLOW_CONN_{name}_{ENVIRONMENT}".upper(): json.dumps(
                {"conn_type": "http", "host": endpoints[name], **fields}
            )
            for name, fields in more.items()
        },
        "RELEASE_WATCH_AMTOOL": endpoints["programs"]["amtool"],
        "RELEASE_WATCH_PROMTOOL": endpoints["programs"]["promtool"],
    }
