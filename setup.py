"""What pyproject.toml cannot say: a wheel carries the built-in data, which lies beside the packages."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithAssets(build_py):
    """``build_py`` that also puts ``assets/`` into the wheel; an editable installation reads the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copytree("assets", Path(self.build_lib) / "pca_core" / "assets", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithAssets})
