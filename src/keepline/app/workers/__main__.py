"""`python -m keepline.app.workers TERMS`: what `keepline serve --workers` becomes."""

import sys

from keepline.app.workers.looking_after import main

sys.exit(main(sys.argv[1]))
