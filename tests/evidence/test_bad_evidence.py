from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from upath import UPath

from release_watch.catalog.config import Config
from release_watch.catalog.policies import Policies
from release_watch.errors import InvalidInputError
from release_watch.evidence.documents import MOST_ITEMS, REQUIRED, missing_documents, read_evidence
from release_watch.evidence.files import MAX_LINES, read_text
from release_watch.evidence.inert import LONGEST, visible
from release_watch.evidence.models import Evidence
from release_watch.evidence.prerequisites import check_prerequisites
from release_watch.evidence.requirements import requirements_markdown
from release_watch.evidence.runbooks import runbook_markdown
from release_watch.release import Release
from tests.evidence.attacks import ALLOWED, FRAGMENTS, page_of
from tests.evidence.conftest import AT, HEALTH_LOG, REPORT, VALIDATION

Read = Callable[[], Evidence]
VALIDATION_FILE, HEALTH_LOG_FILE, REPORT_FILE = REQUIRED
SECTIONS = ("New endpoints", "Risks", "Dependencies", "Feature flags", "Summary")
SIGNS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=12)
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | SIGNS, max_size=8).map("".join)
SHARED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def unseen(text: str) -> list[str]:
    """Return the control, format and surrogate characters of a text."""
    return [sign for sign in text if unicodedata.category(sign) in ("Cc", "Cf", "Cs")]


@pytest.fixture
def shown(folder: Path, release: Release, config: Config) -> Callable[[], list[str]]:
    """Reads the folder and returns every document that is made of it; none if it is refused."""

    def documents() -> list[str]:
        try:
            evidence = read_evidence(folder, release, Policies(), at=AT, known=("storefront",))
        except InvalidInputError as error:
            assert error.problems
            assert not any(unseen(problem) for problem in error.problems)
            return []
        prerequisites = check_prerequisites(release, evidence, config, at=AT)
        for problem in (*evidence.problems, *(account.summary() for account in evidence.accounts)):
            assert not unseen(problem), "a log line that could act on a terminal"
        services = config.catalog.select(release.services)
        return [
            requirements_markdown(release, config, evidence, prerequisites, AT),
            *(runbook_markdown(service, release, config, evidence, AT) for service in services),
        ]

    return documents


def assert_nothing_acts(markdown: str) -> None:
    page = page_of(markdown)
    assert page.acting == []
    assert page.tags <= ALLOWED
    assert not unseen(markdown.replace("\n", ""))


@SHARED
@given(texts=st.lists(TEXTS, min_size=5, max_size=5), bullets=st.booleans())
def test_no_words_of_a_report_act_where_they_are_shown(
    folder: Path, shown: Callable[[], list[str]], texts: list[str], bullets: bool
) -> None:
    start = "- " if bullets else ""
    parts = "".join(f"\n## {name}\n\n{start}{text}\n" for name, text in zip(SECTIONS, texts, strict=True))
    (folder / REPORT_FILE).write_bytes((REPORT + parts).encode())

    for document in shown():
        assert_nothing_acts(document)


@SHARED
@given(cells=st.lists(TEXTS, min_size=6, max_size=6))
def test_no_cell_of_a_health_log_acts_where_it_is_shown(
    folder: Path, shown: Callable[[], list[str]], cells: list[str]
) -> None:
    (folder / HEALTH_LOG_FILE).write_bytes((HEALTH_LOG + f"| {' | '.join(cells)} |\n").encode())

    for document in shown():
        assert_nothing_acts(document)


@SHARED
@given(texts=st.lists(TEXTS, min_size=9, max_size=9))
def test_no_value_of_a_json_document_acts_where_it_is_shown(
    folder: Path, shown: Callable[[], list[str]], texts: list[str]
) -> None:
    one, two, three, four, five, six, seven, eight, nine = texts
    documents: dict[str, Any] = {
        VALIDATION_FILE: {
            **VALIDATION,
            "risks": [one],
            "checks": [{"name": two, "status": "failed"}],
            three: four,
        },
        "quality-audit-findings.json": {"findings": [{"title": one, "service": two, "severity": three}]},
        "feature-flags.json": {"flags": [{"name": four, "state": five}]},
        "performance-baselines.json": {"services": [{"service": six, seven: eight}]},
        "observability-configuration.json": {"services": {nine: one}},
    }
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content))

    for document in shown():
        assert_nothing_acts(document)


@SHARED
@given(
    name=st.sampled_from(REQUIRED),
    content=st.binary(max_size=200) | TEXTS.map(lambda t: t.encode("utf-8", "replace")),
)
def test_whatever_a_document_holds_it_is_refused_or_shown(
    folder: Path, shown: Callable[[], list[str]], name: str, content: bytes
) -> None:
    (folder / name).write_bytes(content)

    for document in shown():
        assert_nothing_acts(document)


def test_a_document_made_of_every_trick_keeps_the_headings_that_are_ours(
    folder: Path, shown: Callable[[], list[str]]
) -> None:
    before = [page_of(document).headings for document in shown()]
    tricks = "\n".join(f"- {one}" for one in FRAGMENTS if "\n" not in one)
    (folder / REPORT_FILE).write_text(REPORT.replace("## Risks\n", f"## Risks\n\n{tricks}\n"))

    assert [page_of(document).headings for document in shown()] == before


@given(st.text())
def test_visible_text_is_one_line_without_signs_that_cannot_be_seen(text: str) -> None:
    found = visible(text, 50)

    assert len(found) <= 50
    assert not unseen(found)
    assert visible(found, 50) == found


def test_a_document_of_100_megabytes_is_refused_by_its_size_alone(
    folder: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / REPORT_FILE).open("wb") as file:
        file.truncate(100_000_000)  # takes no room
    opened: list[str] = []
    plain_open = Path.open

    def noted(path: Path, *arguments: Any, **named: Any) -> Any:
        opened.append(path.name)
        return plain_open(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", noted)

    with pytest.raises(InvalidInputError, match=r"DEPLOYMENT-REPORT\.md: 100000000 bytes: must have at most"):
        read()
    assert REPORT_FILE not in opened


def test_a_size_that_is_told_wrongly_is_noticed_after_one_byte_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "x.md").write_text("x" * 5_000)
    plain_stat = Path.stat

    class Small:
        st_size = 10
        st_mode = (folder / "x.md").stat().st_mode

    monkeypatch.setattr(
        Path, "stat", lambda self, **k: Small() if self.name == "x.md" else plain_stat(self, **k)
    )

    with pytest.raises(InvalidInputError, match="more than the 10 bytes it is said to have"):
        read_text(folder, "x.md", 1_000)


def test_of_an_object_no_more_is_fetched_than_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = UPath("memory://evidence/large")
    (bucket / "x.md").write_bytes(b"x" * 5_000)
    asked: list[tuple[int, int]] = []
    fetch = bucket.fs.cat_file

    def noted(path: str, start: int, end: int) -> bytes:
        asked.append((start, end))
        return bytes(fetch(path, start=start, end=end))

    monkeypatch.setattr(type(bucket.fs), "cat_file", lambda _, path, start, end: noted(path, start, end))
    monkeypatch.setattr(
        type(bucket.fs), "info", lambda _, path, **_named: {"name": path, "size": 10, "type": "file"}
    )

    with pytest.raises(InvalidInputError, match="more than the 10 bytes"):
        read_text(bucket, "x.md", 1_000)
    assert asked == [(0, 1_001)]


def test_an_empty_object_is_refused_and_still_awaited() -> None:
    bucket = UPath("memory://evidence/empty")
    (bucket / REPORT_FILE).write_bytes(b"")

    assert REPORT_FILE in missing_documents(bucket)
    with pytest.raises(InvalidInputError, match="empty"):
        read_text(bucket, REPORT_FILE, 1_000)


def test_a_pipe_in_the_place_of_a_document_holds_nobody_up(folder: Path, read: Read) -> None:
    (folder / REPORT_FILE).unlink()
    os.mkfifo(folder / REPORT_FILE)

    with pytest.raises(InvalidInputError, match="no plain file"):
        read()


@pytest.mark.parametrize("name", [HEALTH_LOG_FILE, REPORT_FILE])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"\x7fELF\x00\x01", "binary", id="program"),
        pytest.param(b"shop-1.1.0 \x1b[31mred", "binary", id="terminal escape"),
        pytest.param(b"shop-1.1.0 \xff\xfe", "not UTF-8", id="no UTF-8"),
        pytest.param("shop-1.1.0".encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(b"shop-1.1.0\n" * (MAX_LINES + 1), "at most 50000", id="too many lines"),
    ],
)
def test_a_markdown_document_that_is_none_is_refused(
    folder: Path, read: Read, name: str, content: bytes, said: str
) -> None:
    (folder / name).write_bytes(content)

    with pytest.raises(InvalidInputError, match=said):
        read()


@pytest.mark.parametrize(
    "sign",
    [
        "/-",
        "-/",
        "GET,",
        "bump ",
        "1-",
        ".",
        "[a](",
        "[](()",
        "*a",
        "`a",
        "https://a",
        " and",
        ": ",
        "a->",
        "(a",
        "&#9",
        "2026-01-02 ",
    ],
)
def test_a_line_made_to_be_slow_is_read_like_any_other(folder: Path, read: Read, sign: str) -> None:
    line = (sign * LONGEST)[: LONGEST - 10]
    parts = "".join(f"\n## {name}\n\n" + f"- {line}\n" * 5 for name in SECTIONS)
    (folder / REPORT_FILE).write_text(f"{REPORT}{parts}")

    account = next(account for account in read().accounts if account.file == REPORT_FILE)
    assert sum(passage.first > REPORT.count("\n") for passage in account.passages) == 25


@pytest.mark.parametrize(
    "text",
    [
        "> " * 5_000,
        "- " * 5_000,
        "".join("  " * depth + "- x\n" for depth in range(300)),
        "[" * 20_000,
        "|" * 20_000,
    ],
    ids=["quotes", "bullets in one line", "bullets", "brackets", "bars"],
)
def test_a_very_deep_document_is_read(folder: Path, read: Read, text: str) -> None:
    (folder / REPORT_FILE).write_text(f"{REPORT}\n{text}\n")

    assert len(read().new_endpoints) == 2


def test_more_items_than_anybody_reads_are_counted_and_left_out(folder: Path, read: Read) -> None:
    (folder / REPORT_FILE).write_text(
        REPORT + "\n## Known issues\n" + "- payments may fail\n" * (MOST_ITEMS + 10)
    )

    evidence = read()

    assert len(evidence.risks) == MOST_ITEMS
    assert any("more risks are left out, the first at" in problem for problem in evidence.problems)
