"""What voice and face together are worth."""
