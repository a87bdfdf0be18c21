"""Training of what is seen in a face: augmentation, fitting, distillation."""
