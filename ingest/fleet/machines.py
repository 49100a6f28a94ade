"""What the simulated devices measure: seeded, deterministic, told the time by the caller."""

import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from millrace.reading import Location

DAY_MS = 86_400_000
KINDS = ("compressor", "pump", "weather", "truck")
_CENTRE = (48.137, 11.575)


class Sample(NamedTuple):
    """One measurement: metrics by name, and where."""

    metrics: dict[str, float]
    location: Location


class Wander:
    """A value that drifts around a level: each step pulls back a little and adds noise."""

    def __init__(self, random: Random, level: float, spread: float, pull: float = 0.05) -> None:
        self._random = random
        self._level = level
        self._spread = spread
        self._pull = pull
        self._away = random.gauss(0.0, spread)

    def step(self, shift: float = 0.0) -> float:
        """Return the next value; `shift` moves the level for this step."""
        noise = self._spread * math.sqrt(2 * self._pull)
        self._away += -self._pull * self._away + self._random.gauss(0.0, noise)
        return self._level + shift + self._away


class Radio:
    """What every device tells of itself: how strong it is heard, and how full its battery is."""

    def __init__(self, random: Random) -> None:
        self._strength = Wander(random, random.uniform(-90, -60), 2.5)
        self._cycle_ms = random.uniform(1, 4) * DAY_MS
        self._phase_ms = random.uniform(0, self._cycle_ms)

    def measure(self, time_ms: int) -> dict[str, float]:
        """Measure at a time; the battery goes from full to a fifth and is charged at once."""
        used = ((time_ms + self._phase_ms) % self._cycle_ms) / self._cycle_ms
        return {
            "battery_pct": 100.0 - 80.0 * used,
            "signal_dbm": min(-30.0, max(-120.0, self._strength.step())),
        }


class Machine:
    """One device: an id, a home and a rule for what it measures; `wear` is 0 for healthy, 1 for worn out."""

    def __init__(self, kind: str, number: int, seed: int) -> None:
        self.device_id = f"{kind}-{number:02d}"
        random = Random(f"{seed}/{self.device_id}")
        self._home = (_CENTRE[0] + random.uniform(-0.2, 0.2), _CENTRE[1] + random.uniform(-0.3, 0.3))
        self._alt_m = round(random.uniform(480, 560), 1)
        self._measure = _MEASURE[kind](random)
        self._radio = Radio(Random(f"{seed}/{self.device_id}/radio"))
        self._moves = kind == "truck"
        self._phase = random.uniform(0, math.tau)

    def sample(self, time_ms: int, wear: float = 0.0) -> Sample:
        """Measure at a time (UTC epoch milliseconds)."""
        measured = self._measure(time_ms, wear) | self._radio.measure(time_ms)
        metrics = {name: round(value, 3) for name, value in measured.items()}
        return Sample(metrics, self._where(time_ms))

    def _where(self, time_ms: int) -> Location:
        lat, lon = self._home
        if self._moves:
            # A round of about 15 km in 40 minutes, 22 km/h.
            turn = self._phase + math.tau * (time_ms % 2_400_000) / 2_400_000
            lat, lon = lat + 0.021 * math.sin(turn), lon + 0.032 * math.cos(turn)
        return Location(lat=round(lat, 6), lon=round(lon, 6), alt_m=self._alt_m)


Measure = Callable[[int, float], dict[str, float]]


def daily(time_ms: int, swing: float) -> float:
    """Return the part of a value that follows the day: highest at 14:00 UTC."""
    return swing * math.cos(math.tau * (time_ms / DAY_MS - 14 / 24))


def _compressor(random: Random) -> Measure:
    heat, pressure = Wander(random, 72, 1.5), Wander(random, 7.5, 0.12)
    shake, current = Wander(random, 2.4, 0.15), Wander(random, 38, 1.0)

    def measure(time_ms: int, wear: float) -> dict[str, float]:
        return {
            "temperature_c": heat.step(daily(time_ms, 2) + 18 * wear),
            "pressure_bar": pressure.step(),
            "vibration_mm_s": max(0.1, shake.step(9 * wear)),
            "current_a": current.step(4 * wear),
        }

    return measure


def _pump(random: Random) -> Measure:
    heat, pressure = Wander(random, 54, 1.0), Wander(random, 3.2, 0.08)
    shake, flow = Wander(random, 1.8, 0.12), Wander(random, 124, 2.0)

    def measure(time_ms: int, wear: float) -> dict[str, float]:
        return {
            "temperature_c": heat.step(daily(time_ms, 1.5) + 14 * wear),
            "pressure_bar": pressure.step(-0.4 * wear),
            "vibration_mm_s": max(0.1, shake.step(10 * wear)),
            "flow_lpm": max(0.0, flow.step(-18 * wear)),
        }

    return measure


def _weather(random: Random) -> Measure:
    air, damp = Wander(random, 12, 0.8, 0.01), Wander(random, 65, 3.0, 0.01)
    pressure, wind = Wander(random, 955, 2.0, 0.005), Wander(random, 3.5, 1.2, 0.1)

    def measure(time_ms: int, _wear: float) -> dict[str, float]:
        return {
            "temperature_c": air.step(daily(time_ms, 6)),
            "humidity_pct": min(100.0, max(5.0, damp.step(-daily(time_ms, 15)))),
            "pressure_hpa": pressure.step(),
            "wind_speed_mps": max(0.0, wind.step()),
        }

    return measure


def _truck(random: Random) -> Measure:
    cargo, speed = Wander(random, 4.0, 0.5), Wander(random, 22, 6.0, 0.1)
    battery, tank = Wander(random, 13.8, 0.1), random.uniform(0, DAY_MS)

    def measure(time_ms: int, wear: float) -> dict[str, float]:
        return {
            "temperature_c": cargo.step(daily(time_ms, 0.4) + 6 * wear),
            "speed_kmh": max(0.0, speed.step()),
            "battery_v": battery.step(-1.5 * wear),
            "fuel_pct": 95.0 - 80.0 * ((time_ms + tank) % DAY_MS) / DAY_MS,
        }

    return measure


_MEASURE: dict[str, Callable[[Random], Measure]] = {
    "compressor": _compressor,
    "pump": _pump,
    "weather": _weather,
    "truck": _truck,
}


def build(count: int, seed: int) -> list[Machine]:
    """Return `count` machines, the kinds in turn, numbered from 1 within their kind."""
    return [Machine(KINDS[n % len(KINDS)], n // len(KINDS) + 1, seed) for n in range(count)]
