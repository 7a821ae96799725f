"""Small pieces of HTML: a notice, a progress bar, numbered steps, a table. All text is escaped."""

from collections.abc import Sequence
from html import escape


def shortened(name: str, most: int = 40) -> str:
    """The name of a file, with its middle left out if it is long."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}"


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


def table(caption: str, headers: Sequence[str], rows: Sequence[Sequence], jumps: Sequence[float] = ()) -> str:
    """A table that scrolls sideways on a narrow page; the first cell of each row is its header. No rows, no table.

    `jumps`: for each row the seconds in a video that its first cell leads to, as a button that `jumps_to` makes work.
    """
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in headers)
    firsts = [escape(str(row[0])) for row in rows]
    if jumps:
        firsts = [
            f'<button type="button" class="jump" data-seconds="{seconds:.3f}" '
            f'aria-label="{first}: show it in the video">▶ {first}</button>'
            for first, seconds in zip(firsts, jumps, strict=True)
        ]
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in rest)}</tr>'
        for first, (_, *rest) in zip(firsts, rows, strict=True)
    )
    # The caption stands above what scrolls: on a narrow page it would be cut off.
    return (
        f'<div class="table-block"><p aria-hidden="true">{escape(caption)}</p>'
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table aria-label="{escape(caption)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>'
    )


def jumps_to(selector: str) -> str:
    """What a `gr.HTML` with a table of `jumps` does on load: its buttons play the video in the component `selector`."""
    return (
        """
        element.addEventListener('click', (event) => {
          const button = event.target.closest('.jump');
          const video = button && document.querySelector('SELECTOR video');
          if (!video) return;
          video.currentTime = Number(button.dataset.seconds);
          video.play();
          video.scrollIntoView({behavior: 'smooth', block: 'nearest'});
        });
        """
    ).replace("SELECTOR", selector)
