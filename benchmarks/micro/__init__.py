"""What the pure functions cost, one by one: `python -m pytest benchmarks/micro`."""
