"""What each feature costs a small GET, in instructions: no machine's noise is in them."""
