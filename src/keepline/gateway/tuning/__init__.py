"""How often an idle device is pinged, learned for each prefix from what its way survives."""
