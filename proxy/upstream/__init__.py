"""The side of the services: which origin, which connection, and whether it may be used again."""
