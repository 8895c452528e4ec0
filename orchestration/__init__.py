"""tokenshare: audited shares of LLM tokens by origin, lab and price.

Plain functions live in the subpackages; only `assets/`, `automation/`, `resources/` and
`definitions.py` may import dagster (a test checks this).
"""

__version__ = "0.1.0"
