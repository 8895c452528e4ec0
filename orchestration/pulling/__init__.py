"""Pulling: asking OpenRouter and Vercel for what is new, and landing it. The only room that uses
the network; landing, checks and everything after it know nothing of where a dump came from."""
