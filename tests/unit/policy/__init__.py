"""Each module of `proxy/policy`, as tables."""
