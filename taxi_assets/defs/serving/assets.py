"""The champion as a Bento, and its deployment. Bento, endpoint and routing are defined in `serving`."""

from collections.abc import Iterator

import dagster as dg

from taxi_assets.defs.asset_metadata import fail_in_words, link
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.training.assets import champion_model
from taxi_assets.settings import Settings

_MAX_REFUSALS = 10


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("duration_bento"),
    kinds={"bentoml", "onnx"},
    deps=[champion_model],
    output_required=False,
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
def duration_bento(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """The champion as a Bento: ONNX trees, target-encoding tables, and the service of `POST /predict`.

    While the first version waits for a person's approval, there is no champion, and nothing is packaged.
    """
    # Without its output Dagster skips the assets after it. Only a generator may leave it out; its checks may not.
    yield _package_champion(context, settings)


@fail_in_words
def _package_champion(
    context: dg.AssetExecutionContext, settings: Settings
) -> dg.MaterializeResult | dg.AssetCheckResult:
    from taxi_assets.registry import model_versions
    from taxi_assets.serving.packaging import release
    from taxi_assets.serving.packaging.serve_command import bento_command

    if model_versions.is_first_waiting(settings):
        return dg.AssetCheckResult(passed=True, description="nothing is packaged: the first version waits for approval")
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


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("deployment"),
    kinds={"bentoml"},
    deps=[duration_bento],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn("champion", "int", "The model version that answers every rider of no challenger")]
        )
    },
    check_specs=[
        check_spec(
            "the_endpoint_serves_the_champion",
            "deployment",
            "The running endpoint answers by the packaged champion; without one, the next one will",
            "warning",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def deployment(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult:
    """The packaged champion as the routing's champion: a running endpoint swaps to it without a restart.

    A model that fails a check in any worker is refused, and the old champion stays. So does a routing that a person
    set after this champion's deployment, such as a rollback.
    """
    from taxi_assets.serving.champion_deployment import DEPLOYED_BY, deploy_champion

    done = deploy_champion(settings, DEPLOYED_BY)
    follows = "a running endpoint follows" if done.is_followed else "no endpoint runs: the next one follows"
    context.log.info(f"routing {done.routing['revision']} names version {done.routing['champion']}; {follows}")
    return dg.MaterializeResult(
        metadata={
            "url": done.url,
            "is_followed": done.is_followed,
            "routing": dg.MetadataValue.json(dict(done.routing)),
            "deployments": table_metadata(done.deployments),
            "refusals": table_metadata(done.refusals[:_MAX_REFUSALS]) if done.refusals else "none",
            "endpoint": link("bento", ""),
        },
        check_results=[
            dg.AssetCheckResult(
                passed=not done.problem, severity=dg.AssetCheckSeverity.WARN, description=done.problem or None
            )
        ],
    )
