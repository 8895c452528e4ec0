"""The verdicts on the claims of a vintage, as text. The claims themselves are configuration."""
