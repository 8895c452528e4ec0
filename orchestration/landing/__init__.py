"""The landing zone: dumps stored by content hash, with provenance. A landed dump never changes."""
