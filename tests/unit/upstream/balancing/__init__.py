"""Each balancing policy, as tables and counts."""
