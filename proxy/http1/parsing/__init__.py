"""Bytes to heads and bodies: the fast path, the h11 parser, and what joins them. Sans-I/O."""
