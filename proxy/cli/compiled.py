"""Whether the modules of the hot path are compiled. Which those are: `mypyc` in pyproject.toml."""

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec


def is_compiled(module: str = "proxy.exchange.exchange") -> bool:
    """Whether a module would be loaded as compiled code."""
    found = find_spec(module)
    return found is not None and (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES))


def how_it_runs() -> str:
    """The word for `onehop --version`. A wheel holds all of the compiled modules or none."""
    return "compiled" if is_compiled() else "interpreted"
