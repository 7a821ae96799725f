"""Execute notebooks in place, and tell which are stale.

    python -m notebooks.execute [01_quickstart ...]

A notebook's metadata hold, under "tracknetv5", the patterns of the result files it reads (`reads`), and as of its last
execution the hash of its code cells (`code`) and of each of those files (`results`).
"""

import argparse
import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
LIMIT = 1_000_000  # bytes of a committed notebook
TIMEOUT = 1200  # seconds a cell may take
QUICK = "NOTEBOOK_QUICK"  # environment variable: a notebook that finds it set takes small sizes


def notebooks() -> list[Path]:
    return sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


def hashes(notebook: dict) -> dict:
    """What `code` and `results` should be now."""
    code = "\0".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    files = sorted({path for pattern in notebook["metadata"]["tracknetv5"]["reads"] for path in ROOT.glob(pattern)})
    return {
        "code": sha256(code.encode()).hexdigest(),
        "results": {path.relative_to(ROOT).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files},
    }


def problems(path: Path) -> list[str]:
    """Why a notebook is not fit to be committed; empty if it is."""
    found = []
    if path.stat().st_size > LIMIT:
        found.append(f"{path.stat().st_size:,} bytes, more than {LIMIT:,}")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and cell["execution_count"] is None:
            found.append(f"cell {number} has not been executed")
        if any(output["output_type"] == "error" for output in cell.get("outputs", ())):
            found.append(f"cell {number} ended in an error")
    stored = notebook["metadata"]["tracknetv5"]
    found += [f"stale: its {key} changed since it was executed" for key, now in hashes(notebook).items()
              if stored.get(key) != now]
    return found


def execute(path: Path, *, quick: bool = False) -> dict:
    """The notebook with fresh outputs and hashes; the file is left alone.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import nbformat  # only executing needs Jupyter
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    environment = dict(os.environ) | ({QUICK: "1"} if quick else {})
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute(env=environment)
    notebook.metadata["tracknetv5"].update(hashes(notebook))
    return notebook


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m notebooks.execute", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *(path.stem for path in notebooks())], metavar="NAME")
    options = parser.parse_args(arguments)
    for path in notebooks():
        if not options.names or path.stem in options.names:
            notebook = execute(path)
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            print(f"{path.name}: {'; '.join(problems(path)) or 'executed'}")


if __name__ == "__main__":
    main()
