"""A folder of published vintages that any static host can serve."""
