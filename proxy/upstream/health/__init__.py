"""Which origins may be used now. So far nothing judges them: every origin of an upstream is always a candidate."""
