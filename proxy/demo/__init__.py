"""A service to put onehop in front of. Shares no code with the proxy: it stands for somebody else's."""
