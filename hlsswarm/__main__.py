"""`python -m hlsswarm`."""

import sys

from hlsswarm.cli.main import main

sys.exit(main())
