"""Nights without a network: a simulator of nightly pulls, and a server that answers like the real
ones. What is made here is simulated and says so; no rule of the pipeline knows this room."""
