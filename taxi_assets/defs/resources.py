"""Resources of the assets: the settings, some of which a run may override, and the warehouse."""

from typing import Any

import dagster as dg

from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_PROMOTION = dg.Enum("Promotion", [dg.EnumValue("auto"), dg.EnumValue("approve")])
# Of one run, in Dagster's launchpad. The others locate the home and its servers.
_OVERRIDABLE = {
    "services": [str],
    "memory_limit": str,
    "threads": dg.Noneable(int),
    "promotion": _PROMOTION,
    "evidently": bool,
}


def platform_resources(settings: Settings) -> dict[str, dg.ResourceDefinition]:
    """The resources `settings` and `warehouse`, which a run may configure; unset, these settings are used."""

    @dg.resource(
        # No defaults: they would make the jobs of `taxi run --services ...` other jobs than those of the UI.
        config_schema={
            name: dg.Field(kind, is_required=False, description=Settings.model_fields[name].description)
            for name, kind in _OVERRIDABLE.items()
        }
    )
    def run_settings(context: dg.InitResourceContext) -> Settings:
        return Settings.model_validate({**settings.model_dump(), **context.resource_config})

    return {"settings": run_settings, "warehouse": _warehouse}


@dg.resource(required_resource_keys={"settings"})
def _warehouse(context: dg.InitResourceContext) -> Warehouse:
    resources: Any = context.resources
    return Warehouse(resources.settings)
