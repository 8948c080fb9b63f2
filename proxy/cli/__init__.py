"""The command `onehop`."""
