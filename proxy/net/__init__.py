"""The I/O shell: sockets, awaits and deadlines live here. What is said on the wire is decided below, in `policy`."""
