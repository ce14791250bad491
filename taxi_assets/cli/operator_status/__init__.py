"""The operator's page: whether the platform is well, section by section."""
