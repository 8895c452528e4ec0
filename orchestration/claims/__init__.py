"""The verdicts on claims of a vintage, for a terminal. Claims themselves are configuration."""
