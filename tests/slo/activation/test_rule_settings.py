"""How rules get into force, as the connection says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from release_watch.errors import InvalidInputError
from release_watch.slo.targets.settings import DirectorySettings, GitOpsSettings, RulerSettings, settings_of
from release_watch.telemetry.backends import RuleExtra


@pytest.mark.parametrize(
    ("rules", "directory", "wanted"),
    [
        (None, "/rules", DirectorySettings(directory=Path("/rules"))),
        ("directory", "/rules", DirectorySettings(directory=Path("/rules"))),
        ({"directory": "/rules"}, None, DirectorySettings(directory=Path("/rules"))),
        ("ruler", None, RulerSettings(target="ruler")),
        (
            {"target": "ruler", "path": "/api/v1/rules/", "connection": "mimir_ruler"},
            None,
            RulerSettings(target="ruler", path="/api/v1/rules", connection="mimir_ruler"),
        ),
        (
            {"target": "gitops", "directory": "/repo", "labels": {"release": "stack"}},
            None,
            GitOpsSettings(target="gitops", directory=Path("/repo"), labels={"release": "stack"}),
        ),
    ],
)
def test_the_connection_chooses_the_way(rules: Any, directory: str | None, wanted: Any) -> None:
    extra = RuleExtra("prometheus_default", rules, Path(directory) if directory else None)
    assert settings_of(extra) == wanted


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("mimir", "extra.rules.target: must be directory, ruler or gitops"),
        (["ruler"], "extra.rules: must be directory, ruler or gitops, or a mapping"),
        ({"target": "gitops"}, "extra.rules.directory: is missing; add it"),
        ({"target": "ruler", "tenant": "a"}, "extra.rules.tenant: is no setting of this target; remove it"),
        ({"target": "ruler", "path": "rules"}, "extra.rules.path: .*must begin with /"),
        (
            {"target": "gitops", "directory": "/x", "format": "helm"},
            "extra.rules.format: .*'manifest' or 'plain'",
        ),
        (
            {"target": "ruler", "within_seconds": 0},
            "extra.rules.within_seconds: .*greater than 0",
        ),
        ({"directory": "/other"}, "extra.rules.directory: is /other, but rules_directory is /rules"),
    ],
)
def test_a_wrong_setting_is_named_with_its_connection(rules: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=f"connection 'prometheus_staging', {words}"):
        settings_of(RuleExtra("prometheus_staging", rules, Path("/rules")))
