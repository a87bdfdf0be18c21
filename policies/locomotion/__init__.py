"""What was learned of walking, as the legs of a dog: inference only."""
