"""What the registry lacks, what it states about a slug, and what a change of it moves.

The dbt model `int_attribution` alone decides who a slug belongs to. These modules run that model on
other registries and other days than a run of the pipeline does.
"""

from typing import Literal

# As known today, or as known on each day of use.
View = Literal["now", "then"]
