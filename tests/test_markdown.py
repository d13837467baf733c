from __future__ import annotations

from datetime import UTC, datetime

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from release_watch import markdown

HTML = MarkdownIt("commonmark", {"html": True}).enable("table")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<script>alert(1)</script>", id="html"),
        pytest.param("[click](javascript:alert(1))", id="link"),
        pytest.param("![x](https://evil.example/pixel.png)", id="picture"),
        pytest.param("`code` **bold** *soft*", id="emphasis"),
        pytest.param("a | b | c", id="table cells"),
        pytest.param("line\n# heading\n- bullet", id="new blocks"),
        pytest.param("&lt;b&gt; &amp; &#60;", id="entities"),
        pytest.param("back\\slash \\` \\|", id="backslashes"),
    ],
)
def test_text_from_outside_is_shown_in_a_table_cell_as_it_is_written(text: str) -> None:
    html = HTML.render(markdown.table(["a", "b"], [[text, "end"]]))

    cells = html.split("<td>")[1:]
    assert len(cells) == 2
    shown = jinja2.filters.do_forceescape(" ".join(text.split()))
    assert cells[0].split("</td>")[0].replace("&quot;", '"') == str(shown).replace("&#34;", '"')


@given(st.text())
def test_no_text_makes_markup_of_its_own(text: str) -> None:
    html = HTML.renderInline(markdown.escape(text))

    assert "<" not in html


@given(st.text())
def test_escaped_text_stays_on_one_line_of_visible_characters(text: str) -> None:
    escaped = markdown.escape(text)

    assert escaped.splitlines() == [escaped]
    assert not set(escaped) & {"\x00", "\x1b", "\u202e", "\u2066"}


@given(st.text(alphabet="`|a ", min_size=1).filter(str.strip))
def test_inline_code_is_one_piece_whatever_backticks_are_in_it(text: str) -> None:
    row = HTML.render(markdown.table(["q"], [[markdown.code(text)]]))

    shown = row.split("<td><code>")[1].split("</code></td>")[0]
    assert shown.strip() == " ".join(text.split())


def test_a_code_block_cannot_be_closed_by_its_content() -> None:
    html = HTML.render(markdown.code_block("```\n<b>out</b>\n````", "promql"))

    assert "<b>" not in html
    assert html.count("<pre>") == 1


def test_nothing_is_shown_as_a_dash() -> None:
    assert markdown.escape(None) == markdown.escape("  ") == "–"


def test_escaping_twice_changes_nothing() -> None:
    once = markdown.escape("a|b <c>")

    assert markdown.escape(once) is once


def test_a_table_without_rows_says_none() -> None:
    assert markdown.table(["a"], []) == "none"


def test_a_row_of_the_wrong_width_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 cells where 2"):
        markdown.table(["a", "b"], [["1", "2", "3"]])


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "no url at all"])
def test_an_address_that_could_act_becomes_no_link(url: str) -> None:
    assert "<a" not in HTML.renderInline(markdown.link("here", url))


def test_a_web_address_becomes_a_link() -> None:
    html = HTML.renderInline(markdown.link("a]b", "https://grafana.example/d/x?q=1&r=(2)"))

    assert '<a href="https://grafana.example/d/x?q=1&amp;r=%282%29">a]b</a>' in html


def test_the_header_names_release_environment_and_time() -> None:
    text = markdown.header("Plan", "shop-1.1", "production", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert text.splitlines() == [
        "# Plan",
        "",
        "- release_id: shop-1.1",
        "- environment: production",
        "- generated_at: 2026-01-02T03:04:05.000Z",
    ]


def test_a_template_that_uses_an_unknown_value_fails() -> None:
    with pytest.raises(jinja2.UndefinedError):
        markdown.render("release_watch.evidence", "monitoring-plan.md.j2")
