"""Training of the gait: PPO on workers that ship whole rollouts, calibration of its speed, export."""
