"""`python -m slotlease.cli`: the commands, by whichever Python runs it."""

from slotlease.cli import main

main()
