"""The demo service. It shares no code with the proxy, because it stands for a service of the user."""
