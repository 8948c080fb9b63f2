"""What this proxy decides: where a request goes, what it says there, whether it may go twice. No I/O, no clock."""
