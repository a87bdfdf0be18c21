"""Grasping: objects on a table, a hand that closes on them, and whether it held."""
