"""What could do something other than be shown, wherever it stands in a document."""

from __future__ import annotations

from html.parser import HTMLParser

from markdown_it import MarkdownIt

FRAGMENTS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))", "![x](https://evil.example/p.png)", "[x]: javascript:alert(1)", "-->",
    "<!-- ", "]]>", "<https://evil.example>", "<?php ", "&lt;b&gt;", "&#60;b&#62;", "&#x6a;avascript:",
    "{{ 7*7 }}", "{% raw %}", "${x}", "|", " | ", "\\|", "`", "``", "**", "__", "~~", "*x*", "# h", "1. x",
    "- x", "> x", "---", "===", "| a | b |", "\x9b31m", "\u202e", "\u2066",
    "\u200b", "\ufeff", "\u2028", "\x85",
    "checkout", "payments", "POST /x", "->", "→", "✅", "❌", "new endpoint: /<b>/x (POST)", "high:", "\\",
    "\u00a0", "\t", "  ", "\n", "\n\n", "\n- ", "\n| ", "\n## Risks\n", "\n```\n<b>\n```\n",
)  # fmt: skip
ALLOWED = frozenset({
    "h1", "h2", "h3", "p", "ul", "ol", "li", "strong", "code", "table", "thead", "tbody", "tr", "th", "td",
})  # fmt: skip


class Tags(HTMLParser):
    """Collects the tags of a page, and everything on it that is neither a plain tag nor text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.acting: list[str] = []
        self.headings: list[str] = []
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.acting += [f"{tag} {name}" for name, _ in attrs]
        self._in_heading = tag in ("h1", "h2")
        if self._in_heading:
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the base's shape
        self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.headings[-1] += data

    def handle_comment(self, data: str) -> None:
        self.acting.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.acting.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.acting.append(f"instruction {data}")


def page_of(markdown: str) -> Tags:
    """Return what a viewer that lets HTML through makes of a Markdown text."""
    page = Tags()
    page.feed(
        MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(markdown)
    )
    page.close()
    return page
