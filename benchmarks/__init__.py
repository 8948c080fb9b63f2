"""What onehop costs: under load beside its peers, by size of the task, and function by function."""
