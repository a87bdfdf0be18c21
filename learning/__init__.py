"""Training: from data to weights. Nothing that the simulation needs while it runs imports this."""
