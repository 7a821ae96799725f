"""Small pieces of HTML: a notice, a progress bar, numbered steps, a table. All text is escaped."""

from collections.abc import Sequence
from html import escape


def progress_bar(text: str, share: float | None) -> str:
    """One line of text over a bar; `share` in [0, 1], None where the end is not known."""
    value = "" if share is None else f' value="{min(max(share, 0.0), 1.0):.3f}"'
    bar = f'<progress{value} max="1" aria-label="Progress"></progress>'
    return f'<div class="status" role="status">{escape(text)}{bar}</div>'


def notice(text: str, kind: str = "info") -> str:
    """One line of text; `kind` is "info", "good" or "bad"."""
    role = "alert" if kind == "bad" else "status"
    return f'<div class="notice {kind}" role="{role}">{escape(text)}</div>'


def steps(*texts: str) -> str:
    """A numbered list that fills the place of results that are not there yet."""
    return f'<ol class="steps">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ol>'


def table(caption: str, headers: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A table that scrolls sideways on a narrow page; the first cell of each row is its header. No rows, no table."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in headers)
    body = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    # The caption stands above what scrolls: on a narrow page it would be cut off.
    return (
        f'<div class="table-block"><p aria-hidden="true">{escape(caption)}</p>'
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table aria-label="{escape(caption)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>'
    )
