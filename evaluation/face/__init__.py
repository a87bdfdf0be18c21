"""How well faces are judged."""
