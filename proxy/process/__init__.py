"""Processes: the supervisor that keeps workers alive, and the worker that assembles everything."""
