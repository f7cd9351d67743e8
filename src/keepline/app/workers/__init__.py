"""Several processes of one gateway on one machine, and the one that looks after them."""
