"""How well shapes are completed."""
