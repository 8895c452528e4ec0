"""The page `report/own.html` of a company's own request logs, beside OpenRouter's rankings.

Each source has its own part, whose sections are made here, one module each. The two sides are two
series: nothing on the page adds or mixes them.
"""
