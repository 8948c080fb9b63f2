"""The command line: one module per command; the proxy itself is imported only when it is needed."""

import proxy

if not (proxy.__doc__ or "").startswith("onehop"):
    # Both distributions install a package called proxy, and the one installed last has overwritten the other's files.
    raise SystemExit(
        f"onehop: {proxy.__file__} is not onehop's: another distribution (proxy.py?) has a package of that name. "
        "Install onehop into an environment of its own: pipx install onehop"
    )
