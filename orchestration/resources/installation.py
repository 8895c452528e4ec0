"""The installation that a run works on."""

from pathlib import Path

import dagster as dg

from orchestration.settings import Settings


class Installation(dg.ConfigurableResource[None]):
    """Where this installation keeps its data. Holds no secret: run config is shown in the UI."""

    data_dir: str = ""

    def settings(self) -> Settings:
        """Settings from the environment, `data_dir` from the run config where it is given."""
        return Settings(data_dir=Path(self.data_dir)) if self.data_dir else Settings()
