"""The benchmark stands beside `src`, not in it: let these tests import it from anywhere."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
