"""Maps of the zones. Shapes are polygons in EPSG:2263 feet, as in `taxi_zones`."""

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import TwoSlopeNorm

from taxi_assets.plots.canvas import BAND, INK, png, titled_figure

_MIN_TRIPS = 30
_COLOURS = "RdBu_r"
_COARSE_FEET = 400  # less than a dot of the plot: outlines keep a tenth of their corners and look the same


def draw_zone_residuals(errors: pd.DataFrame, zones: pd.DataFrame) -> bytes:
    """Draws the mean error by pickup zone; zones with few trips stay blank.

    Args:
        errors: Result of `diagnostics.score_zones`: columns `zone_id`, `trips`, `bias`.
        zones: Columns `zone_id`, `zone`, `shape_wkb` of `taxi_zones`; zones without a shape are left out.
    """
    shaped = zones.dropna(subset=["shape_wkb"]).merge(errors, on="zone_id", how="left")
    reliable = shaped[shaped["trips"].fillna(0) >= _MIN_TRIPS]
    figure = titled_figure(_title(reliable), 6.2)
    axes = figure.subplots()
    axes.add_collection(
        PolyCollection(_outlines(shaped["shape_wkb"]), facecolor=BAND, edgecolor="white", linewidth=0.3)
    )
    if len(reliable):
        limit = max(float(np.quantile(reliable["bias"].abs(), 0.95)), 0.1)
        shades = ScalarMappable(TwoSlopeNorm(0, -limit, limit), _COLOURS)
        for shape, bias in zip(reliable["shape_wkb"], reliable["bias"], strict=True):
            rings = PolyCollection(_outlines([shape]), facecolor=shades.to_rgba(bias), edgecolor=INK, linewidth=0.2)
            axes.add_collection(rings)
        figure.colorbar(shades, ax=axes, label="mean of predicted minus actual, minutes", pad=0.01, shrink=0.7)
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.set_axis_off()
    return png(figure)


def _title(reliable: pd.DataFrame) -> str:
    if reliable.empty:
        return f"No zone has {_MIN_TRIPS} pickups: too few for a map of errors"
    worst = reliable.loc[reliable["bias"].abs().idxmax()]
    side = "long" if worst["bias"] > 0 else "short"
    return (
        f"Of {len(reliable)} zones with {_MIN_TRIPS} pickups, {worst['zone']} has the largest bias: "
        f"predictions are {abs(worst['bias']):.1f} minutes too {side} on average"
    )


def _outlines(shapes: "pd.Series | list[bytes]") -> list[np.ndarray]:
    """The outer rings of the polygons, simplified for the plot."""
    from shapely import wkb

    rings = []
    for shape in shapes:
        geometry = wkb.loads(bytes(shape)).simplify(_COARSE_FEET)
        parts = getattr(geometry, "geoms", [geometry])
        rings += [np.asarray(part.exterior.coords)[:, :2] for part in parts if part.geom_type == "Polygon"]
    return rings
