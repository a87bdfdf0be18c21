"""From a command to joint targets: one code in training and in the simulation."""
