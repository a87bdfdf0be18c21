"""Decisions: from estimates to behaviour, and from commands to joints."""
