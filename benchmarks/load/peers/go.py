"""Go's `httputil.ReverseProxy`: compiled once, from the source beside this file."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("reverseproxy.go")
_KEPT: Final = Path(__file__).parents[3] / ".cache" / "benchmarks"  # compiling net/http takes a minute


def go_program() -> str | None:
    """The compiler's program, or None."""
    beside = Path(sys.executable).parent / "go"
    return str(beside) if beside.exists() else shutil.which("go")


@cache
def build(go: str) -> Path:
    """Compile, or return what was compiled before from the same source. Raises RuntimeError with what Go says."""
    version = subprocess.run([go, "version"], capture_output=True, check=False, timeout=30).stdout
    program = _KEPT / f"reverseproxy-{hashlib.sha256(_SOURCE.read_bytes() + version).hexdigest()[:16]}"
    if program.exists():
        return program
    _KEPT.mkdir(parents=True, exist_ok=True)
    own = {"GOCACHE": str(_KEPT / "go-build"), "GOPATH": str(_KEPT / "go"), "GO111MODULE": "off", "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go, "build", "-o", str(program), str(_SOURCE)],
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **own, "GOTOOLCHAIN": "local"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"go build: {done.stderr.strip()}")
    return program
