"""Forgets devices behind a request's back: it takes as long as the lake is large."""

import json
import logging
from pathlib import Path
from threading import Lock, Thread
from typing import Final

from api.forgetting_answers import ForgettingAnswer
from api.problems import ProblemError
from catalog.forgetting.owner import Owner, owner_of, reports_folder
from millrace.clock import to_iso
from millrace.errors import MillraceError
from millrace.settings import Settings

_log = logging.getLogger(__name__)
_lock: Final = Lock()
_known: Final[dict[Owner, ForgettingAnswer]] = {}


def begin(config: Settings, tenant: str, device_id: str, now_ms: int) -> ForgettingAnswer:
    """Begin to forget a device, or say how far it is; ProblemError (409) while another one is forgotten."""
    owner = _owner(tenant, device_id)
    with _lock:
        running = next((one for one, known in _known.items() if known.state == "running"), None)
        if running not in (None, owner):
            raise ProblemError(
                409,
                "forgetting-runs",
                "Another device is being forgotten.",
                where="device",
                mend="Ask again when it is done.",
            )
        if running is None:
            _known[owner] = _answer(owner, "running", to_iso(now_ms))
            Thread(target=_run, args=(config, owner, to_iso(now_ms)), daemon=True).start()
        return _known[owner]


def progress(config: Settings, tenant: str, device_id: str) -> ForgettingAnswer:
    """Say how far it is, or what the newest report says; ProblemError (404) when it was never asked for."""
    owner = _owner(tenant, device_id)
    known = _known.get(owner) or _reported(reports_folder(config), owner)
    if known is None:
        raise ProblemError(
            404,
            "never-forgotten",
            f"Nobody asked to forget {device_id!r}, or the API was started anew meanwhile.",
            where="device",
            mend="DELETE /devices/{device_id}?forget=true begins it.",
        )
    return known


def _owner(tenant: str, device_id: str) -> Owner:
    try:
        return owner_of(tenant, device_id)
    except MillraceError as error:
        raise ProblemError(
            422, "wrong-parameter", f"{error.what}.", where="device_id", mend=error.mend
        ) from None


def _run(config: Settings, owner: Owner, began_at: str) -> None:
    # Loaded when somebody asks: the lake costs an API that is not asked for it a hundred megabytes.
    from catalog.forgetting.report import write_report
    from catalog.forgetting.run import forget

    try:
        report = forget(config, owner)
        write_report(reports_folder(config), report)
        state = "forgotten" if report.is_clean else "incomplete"
        answer = _answer(owner, state, began_at)
        _known[owner] = answer.model_copy(update={"report": report.as_json()})
    except MillraceError as error:
        _log.warning("not forgotten: %s", error)
        _known[owner] = _answer(owner, "failed", began_at).model_copy(update={"detail": str(error)})
    except BaseException:
        _known[owner] = _answer(owner, "failed", began_at).model_copy(
            update={"detail": "it broke off; the log of the API says why"}
        )
        raise


def _answer(owner: Owner, state: str, began_at: str) -> ForgettingAnswer:
    return ForgettingAnswer.model_validate(owner._asdict() | {"state": state, "began_at": began_at})


def _reported(folder: Path, owner: Owner) -> ForgettingAnswer | None:
    # A moment follows the name: another device's name may begin with this one's.
    found = sorted(folder.glob(f"{owner.tenant}-{owner.device_id}-????-??-??T*.json"))
    if not found:
        return None
    report = json.loads(found[-1].read_text())
    state = "forgotten" if report["forgotten"] else "incomplete"
    return _answer(owner, state, report["began_at"]).model_copy(update={"report": report})
