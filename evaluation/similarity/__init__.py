"""How well answers to "which two of these three are most alike?" teach what people care about."""
