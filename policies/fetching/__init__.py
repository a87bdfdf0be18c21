"""Fetching with the mouth: where to stand, how to reach, what to do when it fails."""
