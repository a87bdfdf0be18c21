"""Tasks for learning, in Gymnasium's terms: importing this package registers them."""

import gymnasium

gymnasium.register("Empaw/Locomotion-v0", entry_point="envs.locomotion.env:LocomotionEnv")

gymnasium.register("Empaw/Grasp-v0", entry_point="envs.grasping.env:GraspEnv")
