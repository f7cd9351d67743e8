"""`python -m keepline`."""

from keepline.cli import main

main()
