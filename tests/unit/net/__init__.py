"""The modules of `proxy/net` that decide without I/O, as tables."""
