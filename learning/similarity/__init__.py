"""Representations from similarity queries (SIRL, arXiv 2301.00810) and what they are compared with."""
