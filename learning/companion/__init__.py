"""The companion's room as a task for learning: behaviours are chosen by a policy, and done by the shipped dog."""
