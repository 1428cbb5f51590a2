"""More generated calls than a test has time for: `python -m tests.dialogue.soak`.

Plain random steps, many times faster than a library that looks for interesting ones. A call that
breaks a promise is made as short as it can be and printed with its seed, its steps and its manners.
"""

import argparse
import random
import sys
import time
import traceback
from dataclasses import dataclass, replace

from tests.dialogue.generated_calls import ENDINGS, MANNERS, STEPS, Step, live_through

from avr_sts_speechmatics.dialogue.manners import Manners

STEPS_MAX = 120
AFTER_MAX = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in a call."""

    manners: Manners
    steps: tuple[Step, ...]

    def carry_out(self) -> int:
        """Live through it; returns how many events that were."""
        return live_through(self.manners, self.steps).events

    def breaks(self) -> tuple[str, int | None]:
        """Where the promise stands that it breaks: file and line; of none: "", None."""
        try:
            self.carry_out()
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            return last.filename, last.lineno
        return "", None


def planned(seed: int) -> Plan:
    chance = random.Random(seed)
    manners = Manners(**{name: chance.choice(options) for name, options in MANNERS.items()})

    def steps(most: int) -> tuple[Step, ...]:
        return tuple(chance.choice(STEPS) for _ in range(chance.randint(0, most)))

    return Plan(manners, (*steps(STEPS_MAX), chance.choice(ENDINGS), *steps(AFTER_MAX)))


def shortened(plan: Plan) -> Plan:
    """The same promise broken with no step too many."""
    promise = plan.breaks()
    shorter = True
    while shorter:
        shorter = False
        for size in (32, 8, 2, 1):
            at = 0
            while at < len(plan.steps):
                cut = replace(plan, steps=plan.steps[:at] + plan.steps[at + size :])
                if cut.breaks() == promise:
                    plan, shorter = cut, True
                else:
                    at += size
    return plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="at least so many")
    parser.add_argument("--seed", type=int, help="of the first call; default: a new one each time")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(10**9)
    print(f"generated calls, the first with seed {seed} ...", flush=True)
    begun, first, lived = time.monotonic(), seed, 0
    while lived < arguments.events:
        plan = planned(seed)
        try:
            lived += plan.carry_out()
        except Exception:
            return report(seed, shortened(plan))
        seed += 1
    took = time.monotonic() - begun
    print(f"{lived} events in {seed - first} calls broke no promise ({took:.0f} s)")
    return 0


def report(seed: int, plan: Plan) -> int:
    print(f"The call of seed {seed} breaks a promise; the shortest like it:")
    print("  steps:", ", ".join(step.__name__ for step in plan.steps))
    print("  manners:", {name: getattr(plan.manners, name) for name in MANNERS})
    try:
        plan.carry_out()
    except Exception as error:
        traceback.print_exception(error, chain=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
