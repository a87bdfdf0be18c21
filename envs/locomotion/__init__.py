"""Walking: a body that follows commands of velocity, gait and posture."""
