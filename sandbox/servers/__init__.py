"""One module per server: its configuration, its command line, and how to tell that it serves."""
