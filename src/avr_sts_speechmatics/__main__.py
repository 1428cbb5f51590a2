"""`python -m avr_sts_speechmatics`: the same as the command `avr-sts-speechmatics`."""

import sys

from avr_sts_speechmatics.cli.main import main

sys.exit(main())
