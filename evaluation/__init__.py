"""Protocols and figures: what is measured of the simulation and of the people who judge it, and how sure it is."""
