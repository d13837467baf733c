from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from release_watch.catalog.config import inspect_config, load_config

Edit = Callable[[str, str, str], None]


def test_the_shipped_configuration_lacks_nothing(folder: Path) -> None:
    assert inspect_config(folder).warnings == ()


def test_a_critical_service_without_a_signal_is_sound_and_warned_of(edit: Edit, folder: Path) -> None:
    edit("services.yaml", "      traces: { service_name: payments }\n", "")

    (warning,) = inspect_config(folder).warnings

    assert "services.2.signals.traces: missing: payments is critical, so Gate 1 will refuse" in warning
    assert load_config(folder).catalog.get("payments").signals.traces is None


def test_a_standard_service_without_a_signal_is_not_warned_of(edit: Edit, folder: Path) -> None:
    edit("services.yaml", "      traces: { service_name: catalogue }\n", "")

    assert inspect_config(folder).warnings == ()


def test_a_critical_service_without_an_objective_is_warned_of(folder: Path) -> None:
    (folder / "slos" / "payments.yaml").unlink()

    (warning,) = inspect_config(folder).warnings

    assert "'payments': no SLO of payments" in warning


def test_a_counter_whose_errors_are_not_known_is_warned_of(edit: Edit, folder: Path) -> None:
    edit("services.yaml", "'job=\"shop/payments\"'", "'job=\"shop/payments\"', counter: charges_total")

    (warning,) = inspect_config(folder).warnings

    assert "services.2.signals.metrics.errors: missing" in warning


def test_warnings_are_shown_beside_problems(edit: Edit, folder: Path) -> None:
    edit("services.yaml", "      traces: { service_name: payments }\n", "")
    edit("policies.yaml", "PT30S", "soon")

    found = inspect_config(folder)

    assert len(found.problems) == len(found.warnings) == 1
    assert found.config is None
