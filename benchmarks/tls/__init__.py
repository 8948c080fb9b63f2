"""What TLS costs: onehop and its peers with the same certificate."""
