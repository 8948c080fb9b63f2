"""One request and its response: the only place that sees both sides."""
