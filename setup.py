"""What pyproject.toml cannot say: a wheel carries the built-in data and the server's settings, which lie beside the packages."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = {"assets": "pca_core/assets", ".streamlit": "app/.streamlit"}
"""Folder of the checkout → folder in the wheel, where ``app/places.py``, ``pca_core/data/streets.py`` and Streamlit look."""


class BuildWithAssets(build_py):
    """``build_py`` that also copies what ``CARRIED`` names; an editable installation reads the checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for folder, place in CARRIED.items():
                copytree(folder, Path(self.build_lib) / place, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithAssets})
