"""What else could be used, or written, in place of Slotlease, to measure beside it. Nothing of ours needs any of it."""
