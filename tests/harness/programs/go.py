"""Go programs of ours: compiled once each, from their source."""

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

_KEPT: Final = Path(__file__).parents[3] / ".cache" / "go"  # compiling net/http takes a minute


@cache
def build(go: str, source: Path) -> Path:
    """Compile, or return what was compiled before from the same source. Raises RuntimeError with what Go says."""
    version = subprocess.run([go, "version"], capture_output=True, check=False, timeout=30).stdout
    program = _KEPT / f"{source.stem}-{hashlib.sha256(source.read_bytes() + version).hexdigest()[:16]}"
    if program.exists():
        return program
    _KEPT.mkdir(parents=True, exist_ok=True)
    own = {"GOCACHE": str(_KEPT / "go-build"), "GOPATH": str(_KEPT / "go"), "GO111MODULE": "off", "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go, "build", "-o", str(program), str(source)],
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **own, "GOTOOLCHAIN": "local"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"go build: {done.stderr.strip()}")
    return program
