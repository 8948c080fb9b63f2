"""The admin listener: probes, metrics, status, pages. Runs in the control process; no worker imports it."""
