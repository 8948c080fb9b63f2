"""How the cost of a request grows with what it is made of, and with what surrounds it: flat or linear, never steeper."""
