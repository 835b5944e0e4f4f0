"""What a plugin's hook is handed, for tests of what it brings in: the hub's own checks, and no hub."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from helperhub.model.helper import HelperSpec
from helperhub.plugins.registrar import Origin, PluginRegistrar
from helperhub.settings import load_settings, plugin_settings


class RegistrarForTests(PluginRegistrar):
    """Takes a plugin's helpers in as a hub does, checks included, and shows them.

    >>> registrar = RegistrarForTests("pulse", settings={"path": "pulse.txt"})   # doctest: +SKIP
    >>> helperhub_register(registrar)                                            # doctest: +SKIP
    >>> assert registrar.specs["pulse"].priority == 3                            # doctest: +SKIP
    """

    def __init__(
        self,
        plugin: str,
        *,
        settings: Mapping[str, str] | None = None,
        timezone: str = "UTC",
        started_at: datetime | None = None,
    ) -> None:
        """Stand where the hub stands.

        Args:
            plugin: The plugin's entry point name.
            settings: Its settings by field, as texts: lists and mappings in JSON, as in the environment.
            timezone: The hub's zone, an IANA name.
            started_at: When the hub started; None means now.
        """
        section = f"HELPERHUB_{plugin.upper().replace('-', '_')}__"
        variables = {section + name.upper(): value for name, value in (settings or {}).items()}
        loaded = load_settings([], variables, plugin_sections=lambda: [plugin])
        super().__init__(
            Origin(plugin, f"helperhub-{plugin}", "0"),
            settings_of=lambda name, model: plugin_settings(name, model, loaded),
            timezone=timezone,
            started_at=started_at or datetime.now(UTC),
        )

    @property
    def specs(self) -> dict[str, HelperSpec]:
        """Helpers and instances that were added, by ``name`` or ``name/instance``, in order."""
        return {spec.key: spec for spec in self.finish().specs}

    @property
    def problems(self) -> tuple[str, ...]:
        """What the plugin reported."""
        return self.finish().problems


__all__ = ["RegistrarForTests"]
