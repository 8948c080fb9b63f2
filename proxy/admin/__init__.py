"""What an instance shows of itself: probes, metrics, status. Runs in the control process; no worker imports it."""
