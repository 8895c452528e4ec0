"""Is this candidate fit to publish? Rules, the gate that runs them, and the quality report."""
