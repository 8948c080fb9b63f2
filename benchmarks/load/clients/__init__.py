"""Load that wrk cannot give, by clients of our own.

Each is a process: `python -m benchmarks.load.clients KIND PORT SETTINGS`. It connects, says `ready`, waits for a line,
loads, says its `Load` as JSON, and holds its connections until standard input ends. So whoever started it can
read the proxy's clock between any two of these, and the cost of connecting stays out of the figures.
"""
