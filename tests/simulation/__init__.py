"""The real worker on a simulated network: a virtual clock, TCP by Linux's rules, and every choice from one seed.

What is chosen are orders of events: a reset right behind an answer, an end before a read, a peer that stops half-way.
"""
