"""Loads the programs of an example without running them."""

import importlib.util
import os
import pathlib
import sys

WORKLOADS = pathlib.Path(os.environ["WORKLOADS"])


def load(path):
    """Imports a program by its path below workloads/."""
    name = path.removesuffix(".py").replace("/", "_").replace("-", "_")
    spec = importlib.util.spec_from_file_location(name, WORKLOADS / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_package(directory, name):
    """Imports a directory as a package, as Ray Serve does."""
    init = WORKLOADS / directory / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        name, init, submodule_search_locations=[str(init.parent)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
