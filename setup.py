"""Adds the checkout's files that are read at run time to the wheel; the rest of the build is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDER = Path("taxi_assets", "_checkout")  # `taxi_assets.settings.CHECKOUT` of an installed wheel
READ_AT_RUN_TIME = ("workspace.yaml", "requirements.lock", "bento", "deploy/traefik", "COMMIT")


class BuildWithCheckoutFiles(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # an editable installation reads the checkout itself
            return
        for name in READ_AT_RUN_TIME:
            source, copy = Path(name), Path(self.build_lib, FOLDER, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():  # only the build of a release writes COMMIT
                shutil.copyfile(source, copy)


setup(cmdclass={"build_py": BuildWithCheckoutFiles})
