"""The one command line."""
