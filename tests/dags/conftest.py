from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DAG_FOLDER = ROOT / "dags"


@pytest.fixture(scope="session")
def bag() -> Any:
    """Every DAG of the folder, loaded the way the DAG processor loads it."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(DAG_FOLDER))


@pytest.fixture(scope="session")
def protocol(bag: Any) -> Any:
    return bag.dags["post_deployment_monitoring"]


@pytest.fixture(scope="session")
def tasks(bag: Any) -> list[Any]:
    """Every task of every DAG."""
    return [task for dag in bag.dags.values() for task in dag.tasks]
