"""TLC's services: those the platform takes, and those it refuses with the reason."""

SERVICES: dict[str, str] = {
    "green": "street-hail livery outside the Manhattan core",
    "yellow": "medallion taxis",
    "fhvhv": "high-volume for-hire vehicles: Uber, Lyft, Via, Juno",
}
REFUSED_SERVICES: dict[str, str] = {
    "fhv": "other for-hire trips (fhv) have no distance and no fare, and a third of them no pickup zone: "
    "the platform takes green, yellow and fhvhv",
}
