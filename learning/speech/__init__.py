"""Training of what is heard in a voice: features, ensembles, the detector of speech."""
