"""Tables of README.md, made from benchmarks/results.

    python -m benchmarks.report

rewrites whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` for each table below.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from benchmarks import accuracy

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def accuracy_table() -> str:
    report = json.loads((RESULTS / "accuracy_val.json").read_text())
    clips = {f"{clip['clip']} ({clip['group']})" for clip in report["data"]}
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    note = (
        f"Split `{report['split']}`: {len(clips)} clips from venues and matches that training never saw; protocol "
        f"`frame`, a prediction is right within {report['tolerance_px']} px at 512 x 288; one prediction a frame. "
        "Intervals: 95 %, bootstrap over blocks of one second, optimistic because a split of few clips knows few "
        f"venues. Versions: {env}. Command: `{report['command']}`."
    )
    return accuracy.markdown(report["results"]) + "\n\n" + note


TABLES: dict[str, Callable[[], str]] = {"accuracy": accuracy_table}


def filled(text: str) -> str:
    """The text with every table made anew."""
    for name, make in TABLES.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        table = make()
        text, found = block.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)
        if not found:
            raise ValueError(f"README.md has no block {name}: write <!-- {name} --> and <!-- /{name} --> around it")
    return text


def main() -> None:
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
