"""The same load over onehop and its peers, in one run: CPU per request, requests per second, latency, memory."""
