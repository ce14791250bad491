"""The champion as a Bento. The Bento's contents and endpoint are defined in `serving`."""

import dagster as dg

from taxi_assets.defs.asset_metadata import fail_in_words, link
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.training.assets import champion_model
from taxi_assets.settings import Settings


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("duration_bento"),
    kinds={"bentoml", "onnx"},
    deps=[champion_model],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn("duration_minutes", "float", "The prediction of POST /predict: minutes of the ride"),
            ]
        )
    },
    check_specs=[
        check_spec(
            "the_bento_predicts_as_the_model",
            "duration_bento",
            "The packaged model predicts as the registered one, to a thousandth of a minute",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def duration_bento(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:
    """The champion as a Bento: ONNX trees, target-encoding tables, and the service of `POST /predict`."""
    from taxi_assets.serving.packaging import release
    from taxi_assets.serving.packaging.serve_command import bento_command

    built = release.package_version(settings)
    context.log.info(f"built {built.tag}; serve it with: {bento_command(settings, built.tag)}")
    return dg.MaterializeResult(
        metadata={
            "tag": built.tag,
            "serve_with": bento_command(settings, built.tag),
            "labels": table_metadata({"label": name, "value": value} for name, value in built.labels.items()),
            "endpoint": link("bento", ""),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=built.largest_difference_minutes <= 1e-3,
                metadata={"largest_difference_minutes": built.largest_difference_minutes},
            )
        ],
    )
