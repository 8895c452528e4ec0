"""The report of a vintage: one self-contained HTML page, made from the published tables alone."""
