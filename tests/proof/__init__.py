"""Claims about patterns, shown for every input there is: by automata, not by examples."""
