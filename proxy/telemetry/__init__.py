"""The record of each exchange, and what is made from it: logs, counters, spans, the inspector."""
