"""Checks over what a case recorded. Each returns None where it holds, else what is wrong, in a line."""
