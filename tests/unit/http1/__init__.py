"""Each module of `proxy/http1`, as tables."""
