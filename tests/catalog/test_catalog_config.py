from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from release_watch.artifacts.models import Signal
from release_watch.catalog.config import check_release, config_folder, load_config
from release_watch.catalog.policies import Policies
from release_watch.errors import InvalidInputError
from release_watch.release import Release

Edit = Callable[[str, str, str], None]
Problems = Callable[[], tuple[str, ...]]
SANDBOX_POLICIES = Path(__file__).parents[2] / "sandbox" / "policies.yaml"
RELEASE: dict[str, Any] = {
    "deployment_id": "dep-1",
    "release_id": "shop-1.1.0",
    "version": "1.1.0",
    "environment": "production",
    "services": ["checkout"],
    "deployed_at": "2026-01-02T03:04:05Z",
    "evidence_uri": "file:///evidence/dep-1",
}


def test_the_shipped_configuration_describes_the_shop(folder: Path) -> None:
    config = load_config(folder)

    services = {service.name: service for service in config.catalog.services}
    assert set(services) == {"storefront", "checkout", "payments", "catalogue"}
    assert {name for name, service in services.items() if service.critical} == {
        "storefront",
        "checkout",
        "payments",
    }
    assert all(service.signals.mapped() == tuple(Signal) for service in services.values())
    assert {slo.service for slo in config.slos} == set(services)
    assert config.catalog.environments == ("production",)


def test_the_shipped_policies_are_the_defaults(folder: Path) -> None:
    assert load_config(folder).policies == Policies()


def test_the_policies_of_the_rehearsal_fit_the_same_schema(folder: Path) -> None:
    (folder / "policies.yaml").write_text(SANDBOX_POLICIES.read_text())

    policies = load_config(folder).policies

    assert policies.signals.deadline == timedelta(seconds=60)
    assert policies.drill.acknowledge_within < Policies().drill.acknowledge_within


def test_another_folder_is_taken_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_WATCH_CONFIG", str(folder))

    assert config_folder() == folder


def test_a_folder_that_is_not_there_says_how_to_name_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="RELEASE_WATCH_CONFIG"):
        load_config(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        pytest.param(
            "services.yaml",
            "tier: standard",
            "tier: gold",
            "services.3.tier: 'gold': Input should be 'critical'",
            id="tier",
        ),
        pytest.param("services.yaml", "    tier: standard\n", "", "services.3.tier: missing", id="no tier"),
        pytest.param(
            "services.yaml", "name: catalogue\n", "name: ../x\n", "not a valid identifier", id="name"
        ),
        pytest.param(
            "services.yaml", "name: catalogue\n", "name: payments\n", "written twice", id="duplicate"
        ),
        pytest.param(
            "services.yaml",
            "[payments]",
            "[payment]",
            "dependencies.0: 'payment': is no service here",
            id="unknown callee",
        ),
        pytest.param(
            "services.yaml",
            "dependencies: [payments]",
            "dependencies: [checkout]",
            "the service itself; leave it out",
            id="calls itself",
        ),
        pytest.param(
            "services.yaml",
            'job="shop/checkout"\'',
            "job=\"shop/checkout'",
            "cannot be read",
            id="selector broken",
        ),
        pytest.param(
            "services.yaml",
            "'job=\"shop/checkout\"'",
            "'job=~\".*\"'",
            "asks for a value",
            id="selector too wide",
        ),
        pytest.param(
            "services.yaml",
            "'job=\"shop/checkout\"'",
            "'job=~\"(\"'",
            "no regular expression",
            id="selector's pattern",
        ),
        pytest.param(
            "services.yaml",
            "'job=\"shop/checkout\"'",
            '\'job="x"} or vector(1) or {a="b"\'',
            "cannot be read",
            id="PromQL",
        ),
        pytest.param("services.yaml", "[1m]))", "[1m])", "no complete PromQL", id="business metric"),
        pytest.param("services.yaml", "direction: down", "direction: left", "direction", id="direction"),
        pytest.param(
            "services.yaml", "tier: critical", "teir: critical", "unknown field", id="unknown field"
        ),
        pytest.param(
            "services.yaml", "environments: [production]", "environments: []", "at least 1", id="nowhere"
        ),
        pytest.param(
            "services.yaml", "tier: critical", "tier: critical\n    tier: standard", "twice", id="key twice"
        ),
        pytest.param("services.yaml", "tier: critical", "tier: [critical", "YAML", id="syntax"),
        pytest.param(
            "oncall.yaml", "  technical-lead:", "  other:", "has nobody for technical-lead", id="no lead"
        ),
        pytest.param("oncall.yaml", "user: tech-lead", "user: ops-lead", "two people", id="one lead"),
        pytest.param("oncall.yaml", "2026-01-05T09:00:00Z", "2026-01-05 09:00:00", "timezone", id="no zone"),
        pytest.param("oncall.yaml", "P7D", "7 days", "ISO 8601", id="shift"),
        pytest.param(
            "policies.yaml", "PT2H", "2h", "signals.deadline: '2h': '2h' is not an ISO 8601", id="duration"
        ),
        pytest.param("policies.yaml", "PT2H", "7200", "ISO 8601", id="seconds"),
        pytest.param("policies.yaml", "PT2H", "P31D", "at most P30D", id="too long"),
        pytest.param("policies.yaml", "PT2H", "PT0S", "longer than nothing", id="no time"),
        pytest.param(
            "policies.yaml",
            "min_completeness: 0.8",
            "min_completeness: 1.2",
            "less than or equal",
            id="share",
        ),
        pytest.param(
            "slos/checkout.yaml", "service: checkout", "service: chekout", "not in services.yaml", id="slo of"
        ),
    ],
)
def test_a_mistake_is_shown_with_its_file_and_a_remedy(
    edit: Edit, problems: Problems, name: str, old: str, new: str, said: str
) -> None:
    edit(name, old, new)

    assert [problem for problem in problems() if problem.startswith(f"{name}:") and said in problem]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("tier: critical", "teir: critical", "unknown field; did you mean 'tier'?", id="service"),
        pytest.param("service_name: checkout", "sevice_name: x", "did you mean 'service_name'?", id="signal"),
        pytest.param("unit: orders/s", "unti: orders/s", "did you mean 'unit'?", id="business metric"),
        pytest.param("environments:", "enviroments:", "did you mean 'environments'?", id="catalogue"),
        pytest.param("tier: critical", "tier: critcal", "did you mean 'critical'?", id="value"),
        pytest.param("[payments]", "[paymens]", "did you mean 'payments'?", id="callee"),
    ],
)
def test_a_misspelt_word_is_shown_with_the_nearest_known_one(
    edit: Edit, problems: Problems, old: str, new: str, said: str
) -> None:
    edit("services.yaml", old, new)

    assert [problem for problem in problems() if said in problem]


def test_a_password_in_an_address_is_not_shown(edit: Edit, problems: Problems) -> None:
    edit("services.yaml", "https://runbooks.example.com/shop/checkout", "https://me:hunter2@wiki/x")

    (problem,) = problems()

    assert "credentials" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("services.yaml", "direction: down", "direction: left", id="field in a list in a list"),
        pytest.param("services.yaml", "[checkout, catalogue]", "[checkout, cat]", id="entry of a list"),
        pytest.param(
            "policies.yaml", "acknowledge_within: PT15M", "acknowledge_within: soon", id="nested field"
        ),
        pytest.param("slos/payments.yaml", "target: 0.99\n", "target: 2\n", id="second document"),
        pytest.param("oncall.yaml", "name: Operations Lead", "nam: Operations Lead", id="unknown field"),
    ],
)
def test_a_mistake_is_shown_at_its_line(
    edit: Edit, problems: Problems, folder: Path, name: str, old: str, new: str
) -> None:
    line = (folder / name).read_text().split(old)[0].count("\n") + 1
    edit(name, old, new)

    assert any(problem.startswith(f"{name}:{line}: ") for problem in problems())


def test_all_mistakes_of_all_files_are_shown_at_once(edit: Edit, problems: Problems, folder: Path) -> None:
    edit("services.yaml", "tier: standard", "tier: gold")
    edit("services.yaml", "dependencies: [payments]", "dependencies: [nobody]")
    edit("slos/checkout.yaml", "target: 0.999", "target: 1")
    edit("policies.yaml", "PT30S", "soon")
    (folder / "oncall.yaml").unlink()

    assert sorted({problem.split(":")[0] for problem in problems()}) == [
        "oncall.yaml",
        "policies.yaml",
        "services.yaml",
        "slos/checkout.yaml",
    ]
    assert len(problems()) == 5


def test_a_key_that_is_written_twice_hides_no_other_mistake(edit: Edit, problems: Problems) -> None:
    edit("services.yaml", "tier: critical", "tier: critical\n    tier: gold")
    edit("services.yaml", "dependencies: [payments]", "dependencies: [nobody]")
    edit("slos/checkout.yaml", "service: checkout", "service: chekout")

    said = " ".join(problems())

    assert len(problems()) == 4
    assert all(words in said for words in ("written twice", "'gold'", "'nobody'", "did you mean 'checkout'"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"\xff\xfe", "not UTF-8", id="bytes"),
        pytest.param(b"", "must be one mapping", id="empty"),
        pytest.param(b"- a", "must be one mapping", id="list"),
        pytest.param(b"a: &x [*x]", "refers to itself", id="endless alias"),
        pytest.param(b"? [a]\n: b", "no plain text", id="key"),
        pytest.param(b"!!python/object/apply:os.system ['true']", "YAML", id="code"),
        pytest.param(b"a: " + b"[" * 5000, "nested too deeply", id="deep"),
        pytest.param(b"[" * 3_000_000, "nested too deeply", id="deeper than the stack"),
        pytest.param(b"a: 1" + b":10" * 1_000_000, "a number of", id="a number to base 60"),
        pytest.param(b"x" * 10_000_001, "at most 10000000", id="large"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_and_never_run(
    folder: Path, problems: Problems, content: bytes, said: str
) -> None:
    (folder / "services.yaml").write_bytes(content)

    assert [problem for problem in problems() if problem.startswith("services.yaml:") and said in problem]


def test_aliases_that_grow_without_end_are_refused(folder: Path, problems: Problems) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (folder / "services.yaml").write_text("\n".join(lines))

    assert any("grows without end" in problem for problem in problems())


def test_a_release_of_unknown_services_and_environment_is_refused_with_the_known_ones(folder: Path) -> None:
    release = Release.from_params({**RELEASE, "environment": "moon", "services": ["checkout", "basket"]})

    with pytest.raises(InvalidInputError) as caught:
        check_release(release, load_config(folder))

    assert caught.value.problems == (
        "environment: 'moon' is not in the catalogue; known are production",
        "services: 'basket' is not in the catalogue; known are catalogue, checkout, payments, storefront",
    )


def test_a_known_release_passes_and_its_services_come_in_its_order(folder: Path) -> None:
    config = load_config(folder)

    check_release(Release.from_params(RELEASE), config)

    names = ("payments", "checkout")
    assert tuple(service.name for service in config.catalog.select(names)) == names
    assert {slo.service for slo in config.slos_of(names)} == set(names)


def test_asking_for_an_unknown_service_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="known are catalogue, checkout"):
        load_config(folder).catalog.get("basket")


def test_the_examples_of_the_document_are_sound(folder: Path, problems: Problems) -> None:
    document = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    (folder / "services.yaml").write_text(f"{examples[0]}\n{examples[2]}")

    said = [problem for problem in problems() if problem.startswith("services.yaml")]

    assert "name: mailer" in examples[2]
    assert said == []
