"""Committed notebooks are executed, fresh and whole; and each still runs from top to bottom."""

import json

import pytest

from notebooks.execute import QUICK, execute, hashes, notebooks, problems

NOTEBOOKS = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


@NOTEBOOKS
def test_committed_notebook_is_executed_without_errors_and_fresh(path):
    assert not problems(path)


@NOTEBOOKS
def test_notebook_begins_and_ends_with_the_reader(path):
    first, *_, last = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert first["cell_type"] == last["cell_type"] == "markdown"
    assert "You will learn" in "".join(first["source"]) and "What to try next" in "".join(last["source"])
    assert "/home/" not in path.read_text(encoding="utf-8")


@NOTEBOOKS
def test_notebook_runs_from_top_to_bottom(path, monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.delenv("NOTEBOOK_DATA", raising=False)
    before = path.read_bytes()
    executed = execute(path, quick=True)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
    assert path.read_bytes() == before


def test_stale_and_broken_notebooks_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("notebooks.execute.ROOT", tmp_path)
    (tmp_path / "result.json").write_text("1")
    output = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    code = {"cell_type": "code", "source": ["1 + 1\n", "2"], "execution_count": 1, "outputs": []}
    notebook = {"cells": [code], "metadata": {"tracknetv5": {"reads": ["*.json"]}}}
    notebook["metadata"]["tracknetv5"] |= hashes(notebook)
    path = tmp_path / "01_a.ipynb"

    def told() -> str:
        path.write_text(json.dumps(notebook))
        return "; ".join(problems(path))

    assert told() == ""
    (tmp_path / "result.json").write_text("2")
    assert "its results changed" in told()
    (tmp_path / "result.json").write_text("1")
    code["source"] = "1 + 1\n3"
    assert "its code changed" in told()
    code |= {"source": "1 + 1\n2", "outputs": [output]}
    assert told() == "cell 0 ended in an error"
    code |= {"execution_count": None, "outputs": []}
    assert told() == "cell 0 has not been executed"
    monkeypatch.setattr("notebooks.execute.LIMIT", 10)
    assert "more than 10" in told()


def test_quick_setting_reaches_the_kernel(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"import os\nassert os.environ['{QUICK}']")],
        metadata={"tracknetv5": {"reads": []}},
    )
    nbformat.write(notebook, tmp_path / "quick.ipynb")
    assert execute(tmp_path / "quick.ipynb", quick=True).metadata["tracknetv5"]["code"]
