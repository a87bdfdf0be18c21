"""Learned locomotion as the legs of a dog: inference only."""
