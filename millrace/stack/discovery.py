"""Finds the services: every module of `millrace.services` with a `SERVICE`."""

from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import millrace.services
from millrace.errors import MillraceError
from millrace.stack.service import Service


@cache
def services() -> dict[str, Service]:
    """Return all services by name, each after those it needs."""
    found = [_service(module.name) for module in iter_modules(millrace.services.__path__)]
    return ordered({service.name: service for service in found if service is not None})


def _service(module: str) -> Service | None:
    service = getattr(import_module(f"{millrace.services.__name__}.{module}"), "SERVICE", None)
    return service if isinstance(service, Service) else None


def ordered(found: dict[str, Service]) -> dict[str, Service]:
    """Sort services so that each follows its needs; raise MillraceError on a gap or a circle."""
    for service in found.values():
        for need in service.needs:
            if need not in found:
                raise MillraceError(
                    f"service {service.name} needs {need}, which no file declares",
                    where="millrace/services",
                    mend="Correct its `needs`.",
                )
    try:
        names = list(TopologicalSorter({name: found[name].needs for name in sorted(found)}).static_order())
    except CycleError as error:
        raise MillraceError(
            f"services need each other in a circle: {' > '.join(error.args[1])}",
            where="millrace/services",
            mend="Remove one of the `needs`.",
        ) from None
    return {name: found[name] for name in names}


def is_present(service: Service) -> bool:
    """Tell whether the Python module a service runs exists."""
    if not service.module:
        return True
    try:
        return find_spec(service.module) is not None
    except ModuleNotFoundError:
        return False
