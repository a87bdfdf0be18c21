"""How well a direction is heard, in simulated rooms."""
