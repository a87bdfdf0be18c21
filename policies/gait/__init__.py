"""Walking: rollouts of gaits and what they measure."""
