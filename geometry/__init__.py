"""Shapes and what is seen of them: meshes, object sets, depth cameras, clouds. Knows no robot, no task, no learning."""
