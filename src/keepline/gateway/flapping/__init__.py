"""Who comes and goes without end: held a little, then refused, then kept out for a while."""
