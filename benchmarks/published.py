"""The papers' accuracy tables, recomputed from the counts they print.

    python -m benchmarks.published [--output FILE.json]

A ratio that the counts do not give to the last printed digit is flagged.
"""

import argparse
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tracknetv5.metrics import Counts

PUBLISHED = Path(__file__).parent / "published.json"
RATIOS = {"acc": "accuracy", "precision": "precision", "recall": "recall", "f1": "f1"}  # printed name -> ours
COUNTS = ("tp", "fp1", "fp2", "tn", "fn")


@cache
def published() -> dict:
    """The content of `published.json`: papers -> tables -> rows as printed."""
    return json.loads(PUBLISHED.read_text(encoding="utf-8"))


def printed_gflops() -> dict[str, float]:
    """The V5 paper's table 3: "GFLOPs" by model name."""
    table = published()["tracknetv5_paper"]["table3_efficiency_t4"]
    return {f"tracknet_{row['model'].lower()}": row["gflops"] for row in table}


def recomputed() -> list[dict]:
    """Every published row that has ratios, beside what its counts give.

    Returns:
        For each row its paper, table, model, `printed` ratios in per cent, `counts`, `recomputed` ratios in per cent to
        the printed number of decimals, and `differs`, the names of the ratios where the two differ; "total" is among
        them if the counts do not add up to the printed total. Rows without counts have None for the last three.
    """
    rows = []
    for paper, tables in published().items():
        if not isinstance(tables, dict):
            continue
        for table, content in tables.items():
            if isinstance(content, list) and isinstance(content[0], dict) and "f1" in content[0]:
                rows += [{"paper": paper, "table": table, **_row(row)} for row in content]
    return rows


def _row(row: dict) -> dict:
    # The V5 paper prints fractions to four decimals, the others per cent to one or two.
    scale = 100 if row["f1"] <= 1 else 1
    printed = {name: round(scale * row[name], 2) for name in RATIOS}
    if "tp" not in row:
        return {"model": row["model"], "printed": printed, "counts": None, "recomputed": None, "differs": None}
    decimals = 2 if scale == 100 else 1
    counts = Counts(**{name: row[name] for name in COUNTS})
    ratios = {name: round(100 * getattr(counts, ours), decimals) for name, ours in RATIOS.items()}
    differs = [name for name in RATIOS if ratios[name] != printed[name]]
    if counts.total != row["total"]:
        differs.append("total")
    return {
        "model": row["model"],
        "printed": printed,
        "counts": {name: row[name] for name in ("total", *COUNTS)},
        "recomputed": ratios,
        "differs": differs,
    }


def markdown(rows: Sequence[dict]) -> str:
    """The rows as one table: per cent as printed, with the recomputed figure where it differs."""
    lines = [
        "| paper | table | model | total | TP | FP1 | FP2 | TN | FN | accuracy | precision | recall | F1 |",
        "|---|---|---|" + "---:|" * 10,
    ]
    for row in rows:
        counts = list((row["counts"] or dict.fromkeys(("total", *COUNTS), "")).values())
        ratios = [
            f"{printed} ({row['recomputed'][name]} from the counts)" if name in (row["differs"] or ()) else f"{printed}"
            for name, printed in row["printed"].items()
        ]
        cells = [row["paper"], row["table"], row["model"], *counts, *ratios]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.published", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, metavar="FILE.json")
    options = parser.parse_args(arguments)
    rows = recomputed()
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(markdown(rows))


if __name__ == "__main__":
    main()
