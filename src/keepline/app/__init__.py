"""The composition root: a gateway with everything around it, in our own process or in yours."""
