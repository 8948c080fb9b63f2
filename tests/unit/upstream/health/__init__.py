"""Tests of `proxy.upstream.health`."""
