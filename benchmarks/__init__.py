"""One file per claim of the README; `results/` holds what they last printed."""
