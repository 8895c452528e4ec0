"""Is this candidate fit to publish? The rules, the gate that runs them, and the page of results."""
