"""The API as Google calls it: decode, call, encode. One servicer per version, one table of outcomes for all."""
