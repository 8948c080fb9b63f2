"""What HTTP/1.1 says (RFC 9110, RFC 9112): pure functions and sans-I/O readers. No socket, no clock, no log."""
