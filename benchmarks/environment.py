"""What a result file says about where it comes from."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path


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


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
