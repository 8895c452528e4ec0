"""The installation that a run works on."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from orchestration.settings import Settings
from orchestration.terminal import settings_of


class Installation(dg.ConfigurableResource[None]):
    """Where this installation keeps its data, and how a run reads the registry.

    What is left empty comes from the environment. It must not contain a secret: the UI shows it.
    """

    data_dir: str = Field(default="", description="Folder below which everything is written.")
    registry_view: str = Field(
        default="",
        description="then: the registry as known on each day of use; now: as known now.",
    )
    registry_as_of: str = Field(
        default="",
        description="Leave out what the registry learned after this UTC day (YYYY-MM-DD).",
    )

    def settings(self) -> Settings:
        """The settings from the environment, and those of the run config that are not empty.

        Raises TokenshareError that names a wrong value's setting.
        """
        given = {"registry_view": self.registry_view, "registry_as_of": self.registry_as_of}
        return settings_of(
            Path(self.data_dir) if self.data_dir else None,
            **{name: value or None for name, value in given.items()},
        )
