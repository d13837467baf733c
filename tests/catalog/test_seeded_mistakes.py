"""However many mistakes a catalogue has, one report shows them all, each at its line."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_watch.catalog.config import inspect_config

FOLDER = Path(__file__).parents[2] / "include" / "config"

NINE = """\
environments: [production]
services:
""" + "".join(
    f"""\
  - name: s{n}
    tier: standard
    owner: team
    dependencies: []
    endpoints: [GET /{n}, GET /{n}/x]
    signals:
      metrics: {{selector: 'job="s{n}"'}}
      logs: {{selector: '{{app="s{n}"}}'}}
      traces: {{service_name: s{n}}}
    runbook: https://runbooks/{n}
    business_metrics:
      - {{name: orders, query: 'sum(orders{{job="s{n}"}})', unit: x, direction: up}}
"""
    for n in range(9)
)

# what is written, what is written instead, and the words that name the mistake
MISTAKES = [
    ("tier: standard", "tear: standard", r"services\.{n}\.tier: missing: add critical or standard"),
    ("tier: standard", "tier: standart", r"services\.{n}\.tier: 'standart': .*did you mean 'standard'"),
    ("owner: team", "ownr: team", r"services\.{n}\.ownr: 'team': unknown field; did you mean 'owner'"),
    ("dependencies: []", "dependencies: [s{n}]", r"dependencies\.0: 's{n}': the service itself"),
    ("dependencies: []", "dependencies: [nobody]", r"{n}\.dependencies\.0: 'nobody': is no service"),
    ("GET /{n}/x", "FETCH /{n}", r"services\.{n}\.endpoints\.1: 'FETCH /{n}': begins with no HTTP method"),
    ("GET /{n}/x", "GET /{n}", r"services\.{n}\.endpoints\.1: 'GET /{n}': the same as"),
    ("'job=\"s{n}\"'", "'job'", r"services\.{n}\.signals\.metrics\.selector: 'job': cannot be read"),
    ("service_name: s{n}", "sevice_name: s{n}", r"sevice_name: 's{n}': unknown field; did you mean 'serv"),
    ("https://runbooks/{n}", "/runbooks/{n}", r"services\.{n}\.runbook: '/runbooks/{n}': must be an http"),
    ("sum(orders", "sum((orders", r"services\.{n}\.business_metrics\.0\.query: .*no complete PromQL"),
    ("direction: up", "direction: upp", r"services\.{n}\..*direction: 'upp': .*did you mean 'up'"),
]  # fmt: skip


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.integers(0, 8), st.sampled_from(MISTAKES), min_size=1))
def test_all_of_them_are_shown_together_each_at_its_line(
    tmp_path: Path, seeded: dict[int, tuple[str, str, str]]
) -> None:
    blocks = re.split(r"(?=  - name: )", NINE)
    for n, (old, new, _) in seeded.items():
        assert old.replace("{n}", str(n)) in blocks[n + 1]
        blocks[n + 1] = blocks[n + 1].replace(old.replace("{n}", str(n)), new.replace("{n}", str(n)), 1)
    text = "".join(blocks)
    for name in ("oncall.yaml", "policies.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    (tmp_path / "services.yaml").write_text(text)

    problems = inspect_config(tmp_path).problems

    for n, (_, _, words) in seeded.items():
        (problem,) = [p for p in problems if re.search(words.replace("{n}", str(n)), p)] or [""]
        first = text[: text.index(f"name: s{n}")].count("\n") + 1
        assert first <= int(problem.split(":")[1]) < first + 12
    assert yaml.safe_load(text)["services"]
