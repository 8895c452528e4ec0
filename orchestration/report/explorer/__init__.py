"""The explorer of a vintage: a page on which the reader chooses what is shown."""
