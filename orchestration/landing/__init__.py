"""The landing zone: dumps by content hash, with provenance. Nothing here ever changes a dump."""
