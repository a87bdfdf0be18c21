"""Tasks whose trajectories people compare: a grid robot, an arm, and the dog's ways of moving."""
