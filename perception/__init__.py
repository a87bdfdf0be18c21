"""Signals to estimates: emotion from voice and face, direction of sound, whole shapes from partial clouds."""
