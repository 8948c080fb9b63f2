"""The configuration: what it may say, where it comes from, and what is wrong with it."""
