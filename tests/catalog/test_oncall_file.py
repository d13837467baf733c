"""What is unsound in oncall.yaml is refused with its field and value, all of it at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from release_watch.catalog.config import load_config
from release_watch.catalog.documents import parse_documents
from release_watch.catalog.oncall import OnCall

SOUND = """\
roles:
  sre:
    starts_at: 2026-01-05T09:00:00Z
    people: [{ user: sam, name: Sam }]
  oncall:
    time_zone: Europe/Berlin
    hand_over: "09:00"
    shift_length: P7D
    starts_at: 2026-07-06T09:00:00+02:00
    people: [{ user: ann, name: Ann }, { user: bob, name: Bob }]
    stand_ins: [{ user: dan, name: Dan }]
    overrides:
      - { user: bob, from: 2026-07-07T09:00:00Z, until: 2026-07-08T09:00:00Z }
      - { user: dan, from: 2026-07-08T09:00:00Z, until: 2026-07-09T09:00:00Z }
  operations-lead:
    starts_at: 2026-01-05T09:00:00Z
    people: [{ user: olga, name: Olga }]
  technical-lead:
    starts_at: 2026-01-05T09:00:00Z
    people: [{ user: tom, name: Tom }]
escalation:
  - { role: oncall, within: PT5M }
  - { role: sre, within: PT10M }
"""

MISTAKES = {
    "unknown zone": ("Europe/Berlin", "Europe/Berln", r"time_zone: 'Europe/Berln': .*'Europe/Berlin'"),
    "zone of the machine": ("Europe/Berlin", "localtime", r"oncall\.time_zone: 'localtime': is no IANA"),
    "path as zone": ("Europe/Berlin", "../passwd", r"oncall\.time_zone: '\.\./passwd': is no IANA"),
    "folder as zone": ("Europe/Berlin", "Europe", r"oncall\.time_zone: 'Europe': is no IANA"),
    "no such time": ('"09:00"', '"24:00"', r"oncall\.hand_over: '24:00': is no time of day"),
    "time without quotes": ('"09:00"', "12:30", r'hand_over: 750: .*12:30 without quotes; write "12:'),
    "part of a day": ("P7D", "PT36H", r"oncall\.shift_length: 'PT36H': must be whole days"),
    "winter's offset": ("09:00:00+02:00", "09:00:00+01:00", r"starts_at: .*is 10:00 .*write .*\+02:00"),
    "no hand-over": ('    hand_over: "09:00"\n', "", r"oncall\.hand_over: missing: time_zone is given"),
    "no zone": ("    time_zone: Europe/Berlin\n", "", r"oncall\.hand_over: '09:00': needs time_zone"),
    "nobody": ("[{ user: sam, name: Sam }]", "[]", r"roles\.sre\.people: \[\]: names nobody"),
    "stranger": ("user: bob, from", "user: bo, from", r"overrides\.0\.user: 'bo': is nobody .*mean 'bob'"),
    "overlap": ("from: 2026-07-08T09:00:00Z", "from: 2026-07-08T08:59:00Z", r"1\.from: .*overlaps with"),
    "backwards": ("until: 2026-07-09", "until: 2026-07-07", r"overrides\.1\.until: .*is not after from"),
    "no end": (", until: 2026-07-08T09:00:00Z", "", r"overrides\.0\.until: missing: add it"),
    "no offset": ("from: 2026-07-07T09:00:00Z", "from: 2026-07-07T09:00:00", r"0\.from: .*timezone"),
    "no lead": ("technical-lead", "technical-leed", r"roles\.technical-lead: missing: has nobody for"),
    "one lead": ("user: tom", "user: olga", r"technical-lead\.people\.0\.user: 'olga': .*two people"),
    "unknown level": ("role: sre", "role: sr", r"1\.role: 'sr': is no role here; .*mean 'sre'"),
    "level twice": ("role: sre", "role: oncall", r"escalation\.1\.role: 'oncall': is level 1 already"),
    "no time": ("oncall, within: PT5M", "oncall", r"escalation\.0\.within: missing: .*each needs its time"),
    "odd time": ("PT10M", "10", r"escalation\.1\.within: 10: is not an ISO 8601"),
}  # fmt: skip

# These stand in different fields, so that one file can have them all.
TOGETHER = (
    "time without quotes",
    "part of a day",
    "nobody",
    "stranger",
    "overlap",
    "no lead",
    "unknown level",
)


def refused(text: str) -> list[str]:
    (document,), wrong = parse_documents(text, "oncall.yaml")
    return wrong + document.parse(OnCall, document.data)[1]


def test_the_file_without_mistakes_is_sound() -> None:
    assert refused(SOUND) == []


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_the_only_problem_and_is_told_with_field_and_value(
    old: str, new: str, said: str
) -> None:
    assert old in SOUND

    (problem,) = refused(SOUND.replace(old, new, 1))

    assert re.search(said, problem)


def test_mistakes_in_many_places_are_all_told_at_once() -> None:
    text = SOUND
    for name in TOGETHER:
        text = text.replace(*MISTAKES[name][:2], 1)

    found = refused(text)

    assert [name for name in TOGETHER if not any(re.search(MISTAKES[name][2], line) for line in found)] == []
    assert len(found) == len(TOGETHER)


def test_every_override_that_overlaps_an_earlier_one_is_told() -> None:
    more = "".join(
        f"      - {{ user: ann, from: 2026-07-07T{hour}:00:00Z, until: 2026-07-07T{hour}:30:00Z }}\n"
        for hour in (10, 12)
    )

    found = refused(SOUND.replace("    overrides:\n", f"    overrides:\n{more}", 1))

    assert [re.search(r"overrides\.(\d)\.from", line)[1] for line in found] == ["0", "1"]  # type: ignore[index]
    assert all("overrides.2 (bob until 2026-07-08T09:00:00.000Z)" in line for line in found)


def test_no_escalation_at_all_is_refused() -> None:
    (problem,) = refused(SOUND[: SOUND.index("escalation:")] + "escalation: []\n")

    assert problem.startswith("oncall.yaml:21: escalation: []: pages nobody")


def test_an_address_beside_a_mistake_is_not_shown() -> None:
    text = SOUND.replace("user: olga, name: Olga", "user: olga, nam: Olga, address: slack://a/b/token", 1)

    assert refused(text)
    assert "token" not in " ".join(refused(text))


def test_a_file_from_before_there_were_zones_and_levels_is_sound(folder: Path) -> None:
    old = (folder / "oncall.yaml").read_text()
    (folder / "oncall.yaml").write_text(old[: old.index("# Whom an alert pages")])

    shipped, before = load_config(), load_config(folder)

    assert before.oncall == shipped.oncall


def test_the_example_of_the_document_is_sound_and_pages_whom_it_says(
    folder: Path, problems: Callable[[], tuple[str, ...]]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "oncall.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert example is not None
    (folder / "oncall.yaml").write_text(example[1])

    assert problems() == ()
    oncall = load_config(folder).oncall
    rows = re.findall(r"^\| `(\S+)` .*\| ([\w, ]+) \|$", text, re.MULTILINE)
    assert len(rows) >= 5
    for at, users in rows:
        order = oncall.paging_order(datetime.fromisoformat(at))
        assert ", ".join(paging.person.user for paging in order) == users, at
