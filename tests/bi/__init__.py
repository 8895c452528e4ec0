"""Real BI software over a published vintage: `make test-bi`."""
