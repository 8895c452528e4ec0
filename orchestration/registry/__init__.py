"""The registry asked from a terminal: what it lacks, what it says of a slug, what a change moves.

Who a slug belongs to is decided by the dbt model `int_attribution` alone; these modules run that
model on other registries and other days than a run of the pipeline does.
"""

from typing import Literal

# As known today, or as known on each day of use.
View = Literal["now", "then"]
