"""`python -m trueward` is the `trueward` command."""

import sys

from trueward.cli import main

sys.exit(main())
