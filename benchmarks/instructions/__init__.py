"""What a request costs in instructions outside the kernel: no machine's noise is in them."""
