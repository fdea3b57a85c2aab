"""HTML to plain text, as mail programs write it: what a reader would see, line by line, quotes marked with ">".

A walk over the tags, not a tree: HTML5 tree builders take quadratic time on deeply nested tags (selectolax: 80 s for
half a megabyte of `<div>`), and tickets come from strangers. A tag ends at the next `>`; an attribute with one inside
leaves its rest as text, which no mail program writes.
"""

import html

import re2

_TAG = re2.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)([^<>]*)>|<!--|<![^<>]*>|<\?[^<>]*>")
_KNOWN = (
    r"(?:!doctype|html|head|body|div|p|br|span|table|tbody|tr|td|th|ul|ol|li|h[1-6]|b|i|u|a|em|strong|pre|code|font"
    r"|img|hr|blockquote|center|style|meta)"
)
_IS_HTML = re2.compile(rf"(?is)\A\s*<{_KNOWN}\b[^<>]*>|<(?:html|body|!doctype html)\b[^<>]*>")
_SOME_HTML = re2.compile(r"(?i)<(?:br|p|div)\b[^<>]*>")
_DROPPED = frozenset({"script", "style", "head", "title", "noscript", "template", "svg", "object", "textarea"})
_LINE = frozenset(
    """p div br tr table ul ol li h1 h2 h3 h4 h5 h6 hr blockquote pre section article header footer dt dd center
    form""".split()  # noqa: SIM905
)
_QUOTE_CLASS = re2.compile(r"(?i)(?:gmail_quote|yahoo_quoted|moz-cite|protonmail_quote)")


def is_html(text: str) -> bool:
    """A page or a mail in HTML; not a plain text that speaks of a tag or two."""
    return _IS_HTML.search(text[:5000]) is not None or (
        "```" not in text and sum(1 for _ in _SOME_HTML.finditer(text[:20_000])) >= 3
    )


def text_of(markup: str) -> str:
    """What a reader would see. Quoted parts (`blockquote`, the marks of mail programs) have "> " before each line."""
    pieces: list[str] = []
    lowered = markup.lower()
    done = 0
    depth = 0  # of quotes
    div_depth, quote_divs = 0, []  # divs that are quotes end with their own closing tag
    closing: dict[str, int] = {}  # last place where a search for an end found nothing, so that none is repeated
    for match in _TAG.finditer(markup):
        start, end = match.span()
        if start < done:
            continue
        pieces.append(_words(markup[done:start]))
        done = end
        if match[0] == "<!--":
            done = _end_of(lowered, "-->", end, closing)
            continue
        if not match[2]:
            continue
        name, is_end = match[2].lower(), bool(match[1])
        if name in _DROPPED and not is_end:
            done = _end_of(lowered, f"</{name}", end, closing)
            continue
        if name == "blockquote":
            depth = max(0, depth - 1) if is_end else depth + 1
        if name == "div":
            div_depth += -1 if is_end else 1
            if not is_end and _QUOTE_CLASS.search(match[3]):
                quote_divs.append(div_depth)
                depth += 1
            elif is_end and quote_divs and div_depth < quote_divs[-1]:
                quote_divs.pop()
                depth = max(0, depth - 1)
        if name in _LINE:
            pieces.append("\n" + ("> " if depth else ""))
        elif name in ("td", "th"):
            pieces.append(" ")
    pieces.append(_words(markup[done:]))
    return "".join(pieces)


def _words(text: str) -> str:
    """Text between two tags: characters by name resolved, line breaks of the source are spaces."""
    return html.unescape(text.replace("\n", " ").replace("\r", " "))


def _end_of(lowered: str, mark: str, start: int, closing: dict[str, int]) -> int:
    """Behind the next `mark`; where there is none, `start`: what was opened by mistake hides nothing."""
    if mark in closing:
        return start
    at = lowered.find(mark, start)
    if at < 0:
        closing[mark] = start
        return start
    end = lowered.find(">", at)  # a closing tag may hold spaces
    return end + 1 if 0 <= end <= at + 100 else at + len(mark)
