"""Bodies: the Bullet world, the quadruped and its gaits, face, sounds. No learning and no emotion in here."""
