"""The same load over onehop and its peers, in one run: CPU per request, requests per second, latency, memory.

Knows the proxies only from outside: their command line, their processes, and what they answer.
"""
