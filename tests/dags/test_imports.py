from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dags.conftest import DAG_FOLDER, ROOT

HEAVY = (
    "pandas",
    "numpy",
    "scipy",
    "great_expectations",
    "matplotlib",
    "prometheus_api_client",
    "pyarrow",
    "grafana_foundation_sdk",
)
SLOW = ("release_watch.artifacts.models", "release_watch.catalog", "release_watch.slo")
"""Models of ours: tasks import them, parsing must not."""
PACKAGE = ROOT / "include" / "release_watch"
ORCHESTRATION = PACKAGE / "orchestration"

PARSE = """
import importlib.util, json, sys, warnings
from airflow.utils.deprecation_tools import DeprecatedImportWarning
warnings.simplefilter("error", DeprecatedImportWarning)
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location(f"file.{path}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
print("LOADED " + json.dumps(sorted(sys.modules)))
"""


def loaded_by(*paths: Path) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running these files."""
    done = subprocess.run(
        [sys.executable, "-c", PARSE, *map(str, paths)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    return set(json.loads(line.removeprefix("LOADED ")))


@pytest.mark.parametrize("path", sorted(DAG_FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_parsing_a_dag_file_loads_nothing_heavy_and_nothing_deprecated(path):
    loaded = loaded_by(path)

    assert "release_watch" in loaded
    assert loaded.isdisjoint((*HEAVY, *SLOW))


def test_loading_the_plugin_loads_nothing_heavy():
    assert loaded_by(*(ROOT / "plugins").glob("*.py")).isdisjoint(HEAVY)


def test_all_of_orchestration_loads_without_anything_heavy_or_deprecated():
    assert loaded_by(*sorted(ORCHESTRATION.rglob("*.py"))).isdisjoint(HEAVY)


def imported(path: Path) -> set[str]:
    """Return every module that a file imports anywhere in it, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


def importers(paths: list[Path], package: str) -> list[str]:
    return [
        str(path.relative_to(ROOT))
        for path in paths
        if any(name == package or name.startswith(f"{package}.") for name in imported(path))
    ]


OUTERMOST = {PACKAGE / "assurance" / "__main__.py"}
"""Command lines that are reached with the connections of Airflow, as those in scripts/ are."""

DOMAIN = sorted(
    path for path in PACKAGE.rglob("*.py") if ORCHESTRATION not in path.parents and path not in OUTERMOST
)
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def test_only_orchestration_imports_airflow():
    assert len(DOMAIN) > 50
    assert importers([*DOMAIN, *OUTERMOST, *SCRIPTS], "airflow") == []


def test_the_domain_does_not_know_orchestration():
    assert importers(DOMAIN, "release_watch.orchestration") == []


def test_the_package_does_not_know_dags_sandbox_or_tests():
    everything = sorted(PACKAGE.rglob("*.py"))
    assert [importers(everything, outside) for outside in ("dags", "plugins", "sandbox", "tests")] == [[]] * 4


@pytest.mark.parametrize("path", sorted(DAG_FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_is_wiring_only(path):
    """A docstring, imports, and one ``with DAG``, in it only calls and names for what they return."""
    docstring, *statements = ast.parse(path.read_text()).body
    imports = [statement for statement in statements if isinstance(statement, ast.Import | ast.ImportFrom)]
    others = [statement for statement in statements if statement not in imports]

    assert isinstance(docstring, ast.Expr)
    assert [type(statement) for statement in others] == [ast.With]
    for statement in others[0].body:
        assert isinstance(statement, ast.Expr | ast.Assign)
        assert isinstance(statement.value, ast.Call)


def test_plugins_hold_nothing_but_the_definition():
    assert [path.name for path in (ROOT / "plugins").rglob("*.py")] == ["release_watch_plugin.py"]


@pytest.mark.parametrize("path", sorted(DAG_FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_parsing_twice_makes_the_same_dag(path, bag):
    """What differs from parse to parse would make a new version of the DAG each time."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagBag(str(DAG_FOLDER))
    dag_id = path.stem

    assert DagSerialization.to_dict(again.dags[dag_id]) == DagSerialization.to_dict(bag.dags[dag_id])
