"""A report in Markdown and figures as one HTML file, without scripts or outside resources."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markdown_it import MarkdownIt
from markupsafe import Markup

from amin.report.page import colors

_STYLE = """
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.5rem; font: 16px/1.5 system-ui; }
body { background: var(--paper); color: var(--ink); }
figure { margin: 1rem 0; max-width: 60rem; }
svg text { font-family: inherit; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--grid); padding: .35rem .6rem; }
th, td { text-align: left; vertical-align: top; }
h3 { margin-top: 2.5rem; }
"""


def plain_page(title: str, parts: Sequence[str | Markup]) -> str:
    """The page as HTML text; a part is Markdown, its HTML shown and not obeyed, or a figure."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = "".join(
        f"<figure>{part}</figure>\n" if isinstance(part, Markup) else markdown.render(part)
        for part in parts
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{colors()}{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )
