"""Recordings, pictures and rendered views to learn from and to judge on, and who among them is held out."""
