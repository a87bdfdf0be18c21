"""The planner's score, learned from grasps that were tried."""
