"""Training of the completion of shapes."""
