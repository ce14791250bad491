"""Makes the champion before the champion again, in the history of champions and in MLflow."""

from dataclasses import replace

from taxi_assets.promotion.apply_decision import apply_rollback, finish_interrupted_change
from taxi_assets.promotion.champion_history import ChampionChange, next_change_time, record_change
from taxi_assets.registry import model_versions
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse, transaction


def roll_back_champion(settings: Settings, warehouse: Warehouse, change: ChampionChange) -> None:
    """Rolls the champion back, and tags it so that it is not promoted again.

    Nothing else changes if the replaced version is not the champion, as after an earlier rollback, or if the registry
    lacks the version before.

    Args:
        settings: Location of MLflow.
        warehouse: The warehouse.
        change: The rollback; its time becomes that of the record.
    """
    bad, before = change.replaced_version, change.model_version
    with warehouse.exclusive_connection() as connection:
        finish_interrupted_change(settings, connection)
        if bad is None or model_versions.find_number(settings, bad) is None:
            return
        # The tag first: a repetition after a kill finds the version as champion, and goes on.
        model_versions.tag_decision(settings, bad, {model_versions.ROLLED_BACK_TAG: change.why})
        champion = model_versions.champion(settings)
        if champion is None or champion.version != bad or model_versions.find_number(settings, before) is None:
            return
        change = replace(change, changed_at=next_change_time(connection))
        with transaction(connection, f"rollback of version {bad}", change.run_id):
            record_change(connection, change)
        apply_rollback(settings, change)
