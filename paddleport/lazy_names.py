"""Names of a package that are imported when they are asked for, and packages to be called."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package whose names are imported when they are asked for.

    A worker that unpickles one function of a package must not pay for all of it.

    Args:
        package: its ``__name__``.
        homes: for each name the module that has it, as seen from the package.
    """

    def getattr_of_package(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return getattr_of_package


def make_callable(package: str, module: str, function: str) -> None:
    """Let a package be called as the function of its name, which is imported then.

    ``paddleport.convert`` is a room and a verb: Python sets a package's name in its parent as
    soon as anything of it is imported, so a function of that name there would be lost. Help and
    signature are the function's.

    Args:
        package: its ``__name__``.
        module: where the function is.
        function: its name.
    """
    room = sys.modules[package]
    of_room = room.__doc__

    def verb() -> Any:
        return getattr(import_module(module), function)

    class CallableRoom(ModuleType):
        def __call__(self, *arguments: Any, **options: Any) -> object:
            return verb()(*arguments, **options)

        @property
        def __signature__(self) -> Any:
            import inspect  # slow, and for those who ask alone

            return inspect.signature(verb())

        @property
        def __doc__(self) -> str:  # type: ignore[override]  # what help() shows of a module
            import inspect

            lines = (f"{function}{self.__signature__}", inspect.getdoc(verb()), of_room)
            return "\n\n".join(filter(None, lines))

    room.__class__ = CallableRoom
