"""What holds the project together: dependencies in step, light imports, one direction of imports."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_requirements_are_the_dependencies_and_those_of_the_demo():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert sorted(lines) == sorted(project["dependencies"] + project["optional-dependencies"]["demo"])


def test_the_package_imports_without_its_extras():
    blocked = ["gradio", "matplotlib", "plotly", "accelerate", "jupyter", "fvcore", "thop", "demo", "benchmarks"]
    code = (
        "import sys\n"
        f"for name in {blocked}: sys.modules[name] = None\n"
        "import tracknetv5, tracknetv5.cli\n"
        "assert 'BallTracker' in dir(tracknetv5)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_library_imports_neither_demo_nor_benchmarks_and_only_the_command_line_imports_training():
    for path in (ROOT / "tracknetv5").rglob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE)
        assert not [name for name in imported if name.split(".")[0] in ("demo", "benchmarks", "gradio")], path
        if path.parent.name != "training" and path.name != "cli.py":
            assert not [name for name in imported if name.startswith("tracknetv5.training")], path
