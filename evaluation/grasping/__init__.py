"""How often a planned grasp holds: single objects, and clutter."""
