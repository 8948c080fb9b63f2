"""The client's side: its connection, from the first byte to the last."""
