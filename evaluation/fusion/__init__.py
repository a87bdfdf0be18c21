"""Accuracy of voice and face fused, against each alone."""
