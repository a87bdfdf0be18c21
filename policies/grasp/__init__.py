"""Where to grasp: candidates on a cloud, what the hand would hit, how good each is, and how well that holds."""
