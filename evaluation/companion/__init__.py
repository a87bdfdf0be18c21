"""What the companion is worth: errands, scenarios, and how it goes to whoever speaks."""
