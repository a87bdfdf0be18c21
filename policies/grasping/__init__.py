"""Where to grasp: candidates on a cloud, what the hand would hit, and how good each is."""
