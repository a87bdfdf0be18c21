"""A study that a lab can run: the server, its storage, its protocol."""
