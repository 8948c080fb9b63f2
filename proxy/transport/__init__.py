"""Connections as streams, deadlines, and the fibers that wait for them. Knows little of HTTP."""
