"""What became of each exchange: its record, and who is told."""
