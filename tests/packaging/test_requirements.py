"""The requirements and constraints.txt belong together, and nothing is required for no reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.layout import REPOSITORY

RUNTIME_FOLDERS = ("include", "dags", "plugins", "scripts")
DEVELOPMENT_FOLDERS = ("tests", "sandbox", "benchmarks")

NOT_IMPORTED = {
    "apache-airflow-providers-amazon": "the s3:// of ObjectStoragePath, with an Airflow connection",
    "apache-airflow-providers-celery": "the executor of the distributed deployment (docker-compose.yaml)",
    "apache-airflow-providers-common-io": "makes ObjectStoragePath write file:// and s3://",
    "asyncpg": "Airflow's asynchronous access to Postgres",
    "psycopg2-binary": "Airflow's access to Postgres",
    "pyarrow": "writes the Parquet files of pandas",
    "s3fs": "the s3:// of fsspec",
    "mypy": "make types",
    "pandas-stubs": "types for mypy",
    "types-jsonschema": "types for mypy",
    "types-psutil": "types for mypy",
    "types-pyyaml": "types for mypy",
    "types-requests": "types for mypy",
    "ruff": "make lint",
    "pytest-asyncio": "runs the tests of triggers",
    "pytest-timeout": "ends a test that hangs",
    "pytest-xdist": "make test-fast",
}
"""What is used without an import of ours, and what for."""


def read(name: str) -> dict[str, Requirement]:
    lines = (REPOSITORY / name).read_text().splitlines()
    parsed = [Requirement(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def pins() -> list[Requirement]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]


@cache
def imported(folders: tuple[str, ...]) -> frozenset[str]:
    """Every module that the code in these folders imports, also inside functions."""
    paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    return frozenset(name for path in paths for name in _imports(path))


def _imports(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "find_spec":
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def modules_of(distribution: str) -> set[str]:
    """The modules a distribution brings; providers of Airflow share its name space."""
    if match := re.fullmatch(r"apache-airflow-providers-(.+)", distribution):
        return {f"airflow.providers.{match[1].replace('-', '.')}"}
    if distribution == "apache-airflow":
        return {"airflow.sdk"}
    return {
        module
        for module, owners in packages_distributions().items()
        if distribution in {canonicalize_name(owner) for owner in owners}
    }


def is_used(distribution: str, folders: tuple[str, ...]) -> bool:
    names = imported(folders)
    return any(
        name == module or name.startswith(f"{module}.")
        for module in modules_of(distribution)
        for name in names
    )


RUNTIME, DEVELOPMENT = read("requirements.txt"), read("requirements-dev.txt")


@pytest.mark.parametrize("name", sorted(RUNTIME))
def test_what_the_package_requires_it_uses(name: str) -> None:
    assert name in NOT_IMPORTED or is_used(name, RUNTIME_FOLDERS)


@pytest.mark.parametrize("name", sorted(DEVELOPMENT))
def test_what_tests_and_sandbox_require_they_use(name: str) -> None:
    assert name in NOT_IMPORTED or is_used(name, DEVELOPMENT_FOLDERS)


def test_the_exceptions_are_required_and_not_imported() -> None:
    assert set(NOT_IMPORTED) <= set(RUNTIME) | set(DEVELOPMENT)


def test_the_sandbox_needs_nothing_that_is_not_required() -> None:
    needed = set(read("sandbox/requirements.txt"))

    assert needed <= set(RUNTIME) | set(DEVELOPMENT)


@pytest.mark.parametrize("name", sorted({**RUNTIME, **DEVELOPMENT}))
def test_a_requirement_is_pinned_to_a_version_that_it_allows(name: str) -> None:
    wanted = {**DEVELOPMENT, **RUNTIME}[name]

    versions = [
        specifier.version
        for pin in pins()
        if canonicalize_name(pin.name) == name
        for specifier in pin.specifier
    ]

    assert versions
    assert all(wanted.specifier.contains(version) for version in versions)


def test_every_constraint_is_one_exact_version_without_extras() -> None:
    for pin in pins():
        assert [specifier.operator for specifier in pin.specifier] == ["=="], pin
        assert not pin.extras, f"{pin}: pip refuses constraints with extras"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_a_python_gets_one_version_of_everything(python: str) -> None:
    here = {
        "python_version": python,
        "python_full_version": f"{python}.7",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }

    names = [canonicalize_name(pin.name) for pin in pins() if pin.marker is None or pin.marker.evaluate(here)]

    assert len(names) == len(set(names))


def test_the_head_of_the_constraints_says_how_to_make_them() -> None:
    head = (REPOSITORY / "constraints.txt").read_text().splitlines()[:3]
    makefile = (REPOSITORY / "Makefile").read_text()

    command = next(line.lstrip("# ") for line in head if "pip compile" in line)

    assert command.endswith("requirements.txt requirements-dev.txt -o constraints.txt")
    options = command.removeprefix("uv pip compile ").partition(" requirements.txt")[0]
    assert options in makefile
    assert "://" not in "\n".join(head)
