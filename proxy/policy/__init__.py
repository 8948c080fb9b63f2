"""What this proxy decides: where a request goes, with which fields, whether it may be sent twice. No I/O, no clock."""
