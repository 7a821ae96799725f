"""What a result file says about where it comes from."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path


def write_result(path: Path, found: Mapping, *packages: str) -> dict:
    """Write what was found as JSON, after the command, the machine and the versions of Python and these packages.

    Folders are made. What `found` has under one of those names counts. Returns what was written.
    """
    report = {"command": command(), "machine": machine(), "env": versions(*packages)} | found
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return report


def command() -> str:
    """The command line that is running, as `python -m ...`, without paths to the interpreter or the module."""
    main = sys.modules["__main__"].__spec__
    program = f"python -m {main.name}" if main else f"python {Path(sys.argv[0]).name}"
    return shlex.join([*shlex.split(program), *sys.argv[1:]])


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of installed distributions, by name."""
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def machine() -> dict[str, str | int]:
    """Processor, cores this process may use, and operating system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_name(), "cores": cores, "system": f"{platform.system()} {platform.machine()}"}


def load_average() -> float | None:
    """Processes that wanted to run in the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def in_own_process(function: Callable, *arguments):
    """Call a function in a new process: torch and Accelerate keep some settings to the end of a process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
