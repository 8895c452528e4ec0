"""Is this candidate fit to publish? The rules, the gate that asks them, and its page."""
