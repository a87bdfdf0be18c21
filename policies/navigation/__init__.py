"""Where to walk: goals turned into velocities, a map of what the depth camera saw, and ways through it."""
