"""Tasks for learning, in Gymnasium's terms."""
