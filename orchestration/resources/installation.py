"""The installation that a run works on."""

from pathlib import Path

import dagster as dg

from orchestration.settings import Settings


class Installation(dg.ConfigurableResource[None]):
    """Where this installation keeps its data. It must not contain a secret: the UI shows it."""

    data_dir: str = ""

    def settings(self) -> Settings:
        """The settings from the environment, and `data_dir` from the run config if it is set."""
        return Settings(data_dir=Path(self.data_dir)) if self.data_dir else Settings()
