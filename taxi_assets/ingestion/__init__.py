"""From a file in the landing folder to raw and clean trips in the warehouse. Features and models do not belong here."""
