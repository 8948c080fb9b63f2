"""onehop: an HTTP/1.1 reverse proxy in which a header that belongs to one hop never survives it."""

__version__ = "0.1.0"
