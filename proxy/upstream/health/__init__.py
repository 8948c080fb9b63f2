"""Which origins may be used now: health checks, ejection after failures, and how all workers hear of both."""
