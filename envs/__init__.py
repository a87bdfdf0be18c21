"""Tasks for learning, in Gymnasium's terms: importing this package registers them."""

import gymnasium

gymnasium.register("Empaw/Locomotion-v0", entry_point="envs.locomotion.env:LocomotionEnv")

gymnasium.register("Empaw/Grasp-v0", entry_point="envs.grasping.env:GraspEnv")

# The mind that carries out behaviours knows policies and perception, which tasks do not: it is put in above them.
gymnasium.register("Empaw/Companion-v0", entry_point="learning.companion.task:make")
