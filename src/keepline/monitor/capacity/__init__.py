"""How many sessions there is room for: costs learned from what was seen, and a forecast."""
