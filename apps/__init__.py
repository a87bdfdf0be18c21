"""Applications that people open: the session, the headless run, the page."""
